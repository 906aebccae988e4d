// How the inspector says things: states, times, sizes, hashes.
import type { Status } from "../../build/uplink_cache.js";
import type { Task } from "../task.js";

export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  "backed-up": "Backed up",
  blocked: "Blocked",
  sent: "Sent",
  included: "In a block",
  final: "Final",
  failed: "Failed",
};
export const STATUSES = Object.keys(STATUS_WORDS) as Status[];

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
] as const;
const clock = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

/** What the state column says, and its colour's name. */
export function stateOf(task: Task): { words: string; colour: Status } {
  if (task.status === "included" && task.reverted) return { words: "Reverted", colour: "failed" };
  return { words: STATUS_WORDS[task.status], colour: task.status };
}

/** `0.4 ms`, `2 ms`, `12 ms`, `1.2 s`, `3 min`, `2 h`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1).replace(".0", "")} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const [unit, lengthMs] = UNITS.find(([, length]) => ms >= length) ?? UNITS[2];
  return `${Math.floor(ms / lengthMs)} ${unit}`;
}

/** How long ago, without figures that change all the time. */
export function ago(atMs: number): string {
  const ms = Math.max(0, Date.now() - atMs);
  return ms < 5_000 ? "now" : `${duration(Math.floor(ms / 1_000) * 1_000).replace(".0", "")}`;
}

export function timeOfDay(atMs: number): string {
  return clock.format(atMs);
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  const power = Math.min(Math.floor(Math.log2(count) / 10), 3);
  const words = (count / 1_024 ** power).toFixed(1).replace(/\.0$/, "");
  return `${words} ${["", "KB", "MB", "GB"][power]}`;
}

/** `0xf39fd6…2266`; what is short stays. */
export function shortHash(hash: string): string {
  return hash.length <= 16 ? hash : `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}

export function count(number: number): string {
  return number.toLocaleString("en");
}
