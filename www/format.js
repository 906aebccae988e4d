// How numbers, times, addresses and colours are shown.

const relativeTime = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** "just now", "3 minutes ago". */
export function timeAgo(atMs, nowMs = Date.now()) {
  for (const [unit, lengthMs] of UNITS) {
    const amount = Math.trunc((atMs - nowMs) / lengthMs);
    if (amount !== 0) return relativeTime.format(amount, unit);
  }
  return "just now";
}

export function milliseconds(durationMs) {
  return `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}

export function byteSize(bytes) {
  return bytes < 1_024 ? `${bytes} B` : `${(bytes / 1_024).toFixed(1)} KB`;
}

/** `0xf39f…2266` */
export function shortHex(hex) {
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}

/** Two hues that an account keeps everywhere. */
export function accountColours(address) {
  const hue = Number.parseInt(address.slice(-4), 16) % 360;
  return `linear-gradient(140deg, hsl(${hue} 62% 52%), hsl(${(hue + 48) % 360} 58% 42%))`;
}
