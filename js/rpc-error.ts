// Errors of the cache as JSON-RPC and EIP-1193 know them.
import type { ErrorCode, UplinkError } from "./error.js";

/** What a call that the backup answers rejects with: `code` is a number of EIP-1474 or EIP-1193. */
export class UplinkRpcError extends Error {
  override readonly name = "UplinkRpcError";
  readonly code: number;
  /** The cache's own code: see the README for the list. */
  readonly data: { code: ErrorCode; retryable: boolean };

  constructor(
    code: number,
    message: string,
    data: { code: ErrorCode; retryable?: boolean },
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = { retryable: false, ...data };
  }
}

export const INVALID_PARAMS = -32602;
/** What a node's pool refuses a transaction with. */
export const REFUSED = -32000;
export const NOT_SUPPORTED = -32004;
/** The provider is on another chain than the one that is asked for. */
export const WRONG_CHAIN = 4901;
const INTERNAL = -32603;
const RESOURCE_UNAVAILABLE = -32002;
const LIMIT_EXCEEDED = -32005;
const DISCONNECTED = 4900;

const CODES: Record<ErrorCode, number> = {
  invalid_input: INVALID_PARAMS,
  wrong_chain: INVALID_PARAMS,
  too_large: INVALID_PARAMS,
  conflict: INVALID_PARAMS,
  storage_unavailable: RESOURCE_UNAVAILABLE,
  storage_failed: RESOURCE_UNAVAILABLE,
  quota_exceeded: RESOURCE_UNAVAILABLE,
  limit_exceeded: LIMIT_EXCEEDED,
  closed: DISCONNECTED,
  newer_format: DISCONNECTED,
  not_found: INTERNAL,
  already_sent: INTERNAL,
  aborted: INTERNAL,
  cannot_send: INTERNAL,
  gateway_unreachable: INTERNAL,
  gateway_error: INTERNAL,
  failed: INTERNAL,
  internal: INTERNAL,
  wasm_unavailable: DISCONNECTED,
};

/** Any failure of the cache or of the app's own functions. */
export function rpcError(error: unknown): UplinkRpcError {
  if (error instanceof UplinkRpcError) return error;
  const { code, message, retryable } = isUplinkError(error)
    ? error
    : { code: "internal" as const, message: String(error), retryable: false };
  return new UplinkRpcError(CODES[code], message, { code, retryable }, error);
}

/** The cache could not be opened: whatever the reason, nothing can be taken. */
export function notOpen(error: unknown): UplinkRpcError {
  const { message, data } = rpcError(error);
  return new UplinkRpcError(DISCONNECTED, `the cache could not be opened: ${message}`, data, error);
}

/** By its shape: the app's cache may be of another entry of the package. */
export function isUplinkError(error: unknown): error is UplinkError {
  return error instanceof Error && error.name === "UplinkError" && "code" in error;
}
