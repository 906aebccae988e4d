// Which error codes a call throws or rejects with, where its own doc comment would have to list them. The site is not made where a
// name or a code here is none.
const STORAGE = ["storage_unavailable", "storage_failed", "quota_exceeded"];
const GATEWAY = ["gateway_unreachable", "gateway_error"];
/** What every call of a handle may end with. */
const HANDLE = ["closed", "internal"];
const OPENING = [
  "invalid_input",
  "newer_format",
  "storage_unavailable",
  "storage_failed",
  "wasm_unavailable",
  "internal",
];
const ONE_TASK = ["invalid_input", "not_found"];

/** @type {Record<string, string[]>} by export, or by export and member */
export const THROWS = {
  openCache: OPENING,
  "Early.read": ["aborted", "limit_exceeded", "gateway_unreachable", "gateway_error", ...OPENING],
  evm: ["invalid_input"],
  localSigner: ["invalid_input"],
  walletSigner: ["invalid_input"],
  mergeRows: ["invalid_input"],
  "Cache.submit": [
    "invalid_input",
    "wrong_chain",
    "too_large",
    "conflict",
    "not_found",
    "limit_exceeded",
    ...STORAGE,
    ...HANDLE,
  ],
  "Cache.read": ["invalid_input", "aborted", "limit_exceeded", ...GATEWAY, ...STORAGE, ...HANDLE],
  "Cache.readMany": ["invalid_input", "aborted", ...HANDLE],
  "Cache.list": ["invalid_input", ...STORAGE, ...HANDLE],
  "Cache.count": ["invalid_input", ...STORAGE, ...HANDLE],
  "Cache.watch": ["invalid_input", "closed"],
  "Cache.live": ["invalid_input", "closed"],
  "Cache.retry": [...ONE_TASK, "already_sent", ...STORAGE, ...HANDLE],
  "Cache.replace": [
    ...ONE_TASK,
    "wrong_chain",
    "too_large",
    "conflict",
    "already_sent",
    ...STORAGE,
    ...HANDLE,
  ],
  "Cache.cancel": [...ONE_TASK, "wrong_chain", "conflict", "already_sent", ...STORAGE, ...HANDLE],
  "Cache.reconcile": [...ONE_TASK, "already_sent", "aborted", ...STORAGE, ...HANDLE],
  "Cache.discard": [...ONE_TASK, "already_sent", ...STORAGE, ...HANDLE],
  "Cache.flush": ["cannot_send", "aborted", ...HANDLE],
  "Cache.exportBackup": ["limit_exceeded", ...STORAGE, ...HANDLE],
  "Cache.importBackup": [
    "invalid_input",
    "wrong_chain",
    "newer_format",
    "limit_exceeded",
    ...STORAGE,
    ...HANDLE,
  ],
  "Cache.destroy": ["storage_unavailable", "storage_failed"],
  "Task.until": ["failed", "aborted", "not_found", ...HANDLE],
};
