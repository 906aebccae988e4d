// What the package promises, by the numbers that tests and planted bugs use, and how each is tested: read from the list of
// planted bugs, so that the page cannot go stale.
import { planted } from "../../tests/simulation/planted.mjs";

/** What each number stands for. */
const PROMISES = {
  1: "`submit` resolves only after the commit that holds the task is durable. Kill the process at any instant after: nothing is lost.",
  2: "Nothing that is not backed up is ever sent, and a draft is backed up before its signature is asked for.",
  3: "What is sent again is the same bytes under the same transaction id, stored before the first send.",
  4: "After `submit` resolves every read in that tab sees it, and in other tabs as soon as the news reaches them. Lists hold all that stands there, each in its place, once.",
  5: "A task that is not settled is never dropped, nor one that failed: the app discards it.",
  6: 'A timeout, a lost reply or a bare `TypeError` is "unknown", never "failed".',
  7: "A reorg takes a task back to `sent`; its value stays visible; the same bytes go out again.",
  8: "At most one sender per database at any time; when it dies another takes over without a person.",
  9: "A settled value is never replaced by an older reading of the chain, whichever replica answers.",
  10: "Once faults stop, every task settles, or is blocked with its cause shown.",
  11: "Memory, queue lengths, retries and requests per block are bounded, and the bounds are documented.",
  12: "A storage failure is loud, with a code. There is no silent fallback to memory.",
  13: "A signer is asked once at a time, and each time for a nonce of its own.",
  14: "A task that comes after others is sent, or its signer asked, only once those were so far.",
  15: "What updates make of a value is what their functions make, in order, each once.",
};

/** Where each is also tried on real parts: stages of `npm test`. */
const REAL = {
  1: "`e2e` (processes killed), `tabs`",
  2: "`e2e`, `chain`",
  3: "`chain` (lost answers), `tabs` (the gateway's log)",
  4: "`e2e`, `reads`, `tabs`",
  5: "`e2e`, `chain`",
  6: "`chain` (faults of gateways)",
  7: "`e2e`, `chain` (reorgs of anvil)",
  8: "`tabs` (renderers and browsers killed, a witness on the wire)",
  9: "`chain` (replicas that lag), `reads`",
  10: "`chain`, `tabs`",
  11: "`e2e` (requests counted), `chain`",
  12: "`e2e` (quota, storage refused)",
  13: "`e2e` (signers)",
  14: "`reads` (dependents)",
  15: "`reads` (updates)",
};

/** As Markdown: for each promise what it says, where it is tested, and the bugs that were planted against it. */
export function guaranteesTable() {
  const numbers = new Set(planted.flatMap(({ promises }) => promises));
  const unknown = [...numbers].filter((number) => number !== 0 && !(number in PROMISES));
  if (unknown.length > 0) throw new Error(`nobody says what these promises are: ${unknown}`);
  return Object.entries(PROMISES)
    .map(([number, says]) => {
      const bugs = planted.filter(({ promises }) => promises.includes(Number(number)));
      if (bugs.length === 0) throw new Error(`no bug is planted against promise ${number}`);
      const rows = bugs.map(({ name, breaks }) => `| \`${name}\` | ${breaks} |`);
      return [
        `### ${number}. ${says}`,
        "",
        `On real parts: ${REAL[number]}. In the simulator, after every step; it must find each of these planted bugs:`,
        "",
        "| planted | |",
        "| --- | --- |",
        ...rows,
        "",
      ].join("\n");
    })
    .join("\n");
}

export const plantedCount = () => planted.length;
