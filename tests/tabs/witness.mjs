// What the gateway's log proves about who sent what. See rounds.test.mjs for what each check stands for.

import { isSend } from "../support/gateway.mjs";

/**
 * Judges a gateway's log. `lives` as in crowd.mjs, each known in the log by its `path`; `toldSent` is when a tab was first
 * told that a transaction is sent.
 *
 * `doubled` are the sends that must not have been, each with why; `rivals` the pairs of lives that led at the same time;
 * `late` counts the requests that a life's death found on the wire, `repeated` the sends that a look justified.
 */
export function judge({ log, lives, toldSent }) {
  const led = lives.filter(({ leads }) => leads !== undefined);
  led.sort((a, b) => a.leads - b.leads);
  const rivals = led.filter((life, i) => i > 0 && led[i - 1].goneFrom > life.leads);
  const open = led.filter(({ goneFrom }, i) => goneFrom === undefined && i < led.length - 1);
  const byPath = new Map(lives.map((life) => [life.path, life]));
  const sent = new Set();
  /** Transactions, each with the lives that were told since the last send that no node knows it. */
  const absentFor = new Map();
  const result = { doubled: [], rivals: [...rivals, ...open], late: 0, repeated: 0, sends: 0 };
  for (const call of log) {
    if (call.method === "eth_getTransactionByHash") look(absentFor, call);
    if (!isSend(call.method)) continue;
    const { txId, path } = call;
    result.sends += 1;
    if (sent.has(txId)) result.repeated += 1;
    const isRepeated = sent.has(txId) && !absentFor.get(txId)?.has(path);
    const why = wrong(call, byPath.get(path), { isRepeated, toldSent });
    if (why) result.doubled.push(`${txId} by ${path}: ${why}`);
    sent.add(txId);
    if (isLate(call, byPath.get(path))) result.late += 1;
    // Whoever sends it next has to ask the chain anew.
    else absentFor.delete(txId);
  }
  return result;
}

function look(absentFor, { params: [txId], path, reply, delivered }) {
  if (!delivered || reply?.result !== null) return;
  if (!absentFor.has(txId)) absentFor.set(txId, new Set());
  absentFor.get(txId).add(path);
}

/** Of a process that is dead: its bytes were on the wire, and no leader can call them back. */
function isLate({ at }, life) {
  return life?.goneBy !== undefined && at > life.goneBy;
}

function wrong(call, life, { isRepeated, toldSent }) {
  if (life?.leads === undefined || call.at < life.leads) return "its tab did not lead";
  if (isLate(call, life)) return undefined;
  if (call.at > (toldSent.get(call.txId) ?? Number.POSITIVE_INFINITY))
    return "the log had it as sent";
  return isRepeated ? "the chain was not asked whether it has it" : undefined;
}
