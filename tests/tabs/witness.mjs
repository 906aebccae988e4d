// What the gateway's log proves about who sent what. See rounds.test.mjs for what each check stands for.

import { isSend } from "../support/gateway.mjs";

/**
 * Judges a gateway's log. `lives` as in crowd.mjs, each known in the log by its `path`; `toldSent` is when a tab was first
 * told that a transaction is sent.
 *
 * `doubled` are the sends that must not have been, each with why and with all that the gateway was asked of it; `rivals` the
 * lives that led while another did; `late` counts the requests that a life's death found on the wire, `repeated` the sends
 * that a look justified.
 */
export function judge({ log, lives, toldSent }) {
  const led = lives.filter(({ leads }) => leads !== undefined);
  led.sort((a, b) => a.leads - b.leads);
  const rivals = led.filter((life, i) => i > 0 && led[i - 1].goneFrom > life.leads);
  const open = led.filter(({ goneFrom }, i) => goneFrom === undefined && i < led.length - 1);
  const byPath = new Map(
    led.map((life, i) => [life.path, { ...life, end: endOf(life, led[i + 1]) }]),
  );
  const sent = new Set();
  /** Transactions, each with the lives that were told since the last send that no node knows it. */
  const absentFor = new Map();
  const result = { doubled: [], rivals: [...rivals, ...open].map(({ path }) => path) };
  Object.assign(result, { late: 0, repeated: 0, sends: 0 });
  for (const call of log) {
    if (call.method === "eth_getTransactionByHash") look(absentFor, call);
    if (!isSend(call.method)) continue;
    const { txId, path } = call;
    result.sends += 1;
    if (sent.has(txId)) result.repeated += 1;
    const isRepeated = sent.has(txId) && !absentFor.get(txId)?.has(path);
    const why = wrong(call, byPath.get(path), { isRepeated, toldSent });
    if (why) result.doubled.push(`${txId} by ${path}: ${why}\n${history(log, txId, byPath)}`);
    sent.add(txId);
    if (isLate(call, byPath.get(path))) result.late += 1;
    // Whoever sends it next has to ask the chain anew.
    else absentFor.delete(txId);
  }
  return result;
}

/** When a life had ended at the latest: as seen from here, or by the lock, which the next one got after it. */
function endOf({ goneFrom, goneBy = Number.POSITIVE_INFINITY }, next) {
  return next?.leads >= goneFrom ? Math.min(goneBy, next.leads) : goneBy;
}

function look(absentFor, { params: [txId], path, reply, delivered }) {
  if (!delivered || reply?.result !== null) return;
  if (!absentFor.has(txId)) absentFor.set(txId, new Set());
  absentFor.get(txId).add(path);
}

/** Of a process that is dead: its bytes were on the wire, and no leader can call them back. */
function isLate({ at }, life) {
  return life !== undefined && at > life.end;
}

function wrong(call, life, { isRepeated, toldSent }) {
  if (life === undefined || call.at < life.leads) return "its tab did not lead";
  if (isLate(call, life)) return undefined;
  if (call.at > (toldSent.get(call.txId) ?? Number.POSITIVE_INFINITY))
    return "the log had it as sent";
  return isRepeated ? "the chain was not asked whether it has it" : undefined;
}

/** What the gateway was asked of a transaction by whom, and what it said. */
function history(log, txId, byPath) {
  const calls = log.filter((call) => call.txId === txId || call.params[0] === txId);
  return calls
    .map(({ at, path, method, reply, delivered, fault }) => {
      const { leads, end } = byPath.get(path) ?? {};
      const said = JSON.stringify(reply?.result ?? reply?.error)?.slice(0, 80);
      return `  ${at} ${path} (led ${leads} to ${end}) ${method} ${fault ?? ""} → ${said}${delivered ? "" : ", not delivered"}`;
    })
    .join("\n");
}
