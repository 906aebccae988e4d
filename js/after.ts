import type { Milestone } from "../build/uplink_cache.js";
import * as check from "./check.js";
import { invalid } from "./error.js";

/** What a submission may say of the tasks that it comes after. */
export interface SubmitAfter {
  /**
   * The ids of tasks that must be far enough before this one is sent, or its signer is asked: at most 8, in the backup. It is
   * `blocked` as `dependency_failed` when one of them fails.
   */
  after?: readonly string[];
  /** How far they must be. Default: `included`. */
  afterStatus?: Milestone;
}

const MILESTONES = ["sent", "included", "final"] as const satisfies readonly Milestone[];
const MAX_AFTER = 8;

/** Reads them. What `isFinal` says to be final is not waited for, also where it left the backup. */
export function checkAfter(
  { after, afterStatus = "included" }: SubmitAfter,
  isFinal: (id: string) => boolean,
): [string[], Milestone] {
  const until = check.oneOf(afterStatus, MILESTONES, "afterStatus");
  if (after === undefined) return [[], until];
  if (!Array.isArray(after)) throw invalid("after is an array of tasks' ids");
  if (after.length > MAX_AFTER) throw invalid(`after has at most ${MAX_AFTER} tasks`);
  const ids = after.map((id) => check.text(id, "a task's id in after"));
  return [ids.filter((id) => !isFinal(id)), until];
}
