import { invalid, UplinkError } from "./error.js";

/** The same promise, which rejects with `aborted` when the signal is aborted. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  if (!(signal instanceof AbortSignal)) {
    promise.catch(() => undefined);
    throw invalid("signal is an AbortSignal");
  }
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () =>
      reject(new UplinkError("aborted", "the signal was aborted", { cause: signal.reason }));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A signal that is aborted when one of the two is, and what lets go of them: either may live as long as the page. */
export function either(
  one: AbortSignal,
  other: AbortSignal | undefined,
): { signal: AbortSignal; letGo(): void } {
  if (other === undefined) return { signal: one, letGo: () => {} };
  const control = new AbortController();
  const { signal } = control;
  for (const each of [one, other]) {
    const abort = () => control.abort(each.reason);
    if (each.aborted) abort();
    else each.addEventListener("abort", abort, { once: true, signal });
  }
  return { signal, letGo: () => control.abort() };
}

/** The same promise, which rejects with `gateway_unreachable` after so long. */
export async function withTimeout<T>(
  promise: Promise<T>,
  timeoutMs: number | undefined,
): Promise<T> {
  if (timeoutMs === undefined) return promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new UplinkError("gateway_unreachable", `no answer within ${timeoutMs} ms`, {
      retryable: true,
    });
    timer = setTimeout(reject, timeoutMs, error);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
