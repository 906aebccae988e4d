import type { ErrorCode as CodeOfModule, ErrorView } from "../build/uplink_cache.js";

/**
 * What kind of error it is: see the README for the list. All but one come from the module.
 *
 * `wasm_unavailable`: The WebAssembly module, or `recover.js`, could not be loaded: the message says why, and what to do.
 */
export type ErrorCode = CodeOfModule | "wasm_unavailable";

/** What every call of this package throws or rejects with. */
export class UplinkError extends Error {
  override readonly name = "UplinkError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change to it. */
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryable?: boolean } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** What the module rejected with, as an `UplinkError`. Anything it did not mean to throw is `internal`. */
export function fromModule(error: unknown): UplinkError {
  if (error instanceof UplinkError) return error;
  if (isView(error))
    return new UplinkError(error.code, error.message, { retryable: error.retryable });
  return new UplinkError("internal", `the module failed: ${String(error)}`, { cause: error });
}

export function invalid(message: string, cause?: unknown): UplinkError {
  return new UplinkError("invalid_input", message, cause === undefined ? {} : { cause });
}

function isView(error: unknown): error is ErrorView {
  return typeof error === "object" && error !== null && "code" in error && "retryable" in error;
}
