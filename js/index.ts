export type {
  BlockView as Block,
  Milestone,
  Reason,
  Status,
} from "../build/uplink_cache.js";
export type { SubmitAfter } from "./after.js";
export type { SyncState } from "./background-sync.js";
export {
  Cache,
  type Entry,
  type OpenOptions,
  openCache,
  type Page,
  type SubmitDraft,
  type SubmitOptions,
  type SubmitPayload,
  type SubmitUpdate,
  type WatchOptions,
} from "./cache.js";
export { bytes, type Codec, json } from "./codec.js";
export { type Early, openEarly } from "./early.js";
export { type ErrorCode, UplinkError } from "./error.js";
export type { CacheEventName, CacheEvents } from "./events.js";
export {
  type EvmOptions,
  evm,
  type Gateway,
  type ReadAt,
  type ReadKey,
  type ReadKeys,
  type Rpc,
  type RpcOptions,
} from "./gateway.js";
export type { Quantiles } from "./histogram.js";
export type { CountOptions, KeyQuery, ListOptions, TagQuery, Tags } from "./listing.js";
export type { Live } from "./live.js";
export {
  type Merged,
  type MergeOptions,
  type MergeRowsOptions,
  mergeRows,
  type RowPlace,
  type SortValue,
} from "./merge.js";
export type { Metrics } from "./metrics.js";
export type { WasmSource } from "./module.js";
export type { Imported, Refused } from "./portable.js";
export type { ReadManyOptions, ReadResult } from "./read-many.js";
export type { Reconciled } from "./reconcile.js";
export type {
  Effect,
  Signature,
  SignContext,
  Signer,
  Signers,
  SignFunction,
  SignTask,
} from "./sign.js";
export {
  type Fees,
  type LocalAccount,
  type LocalSignerOptions,
  localSigner,
  type MakeTransaction,
  type Provider,
  type TransactionRequest,
  type WalletSignerOptions,
  walletSigner,
} from "./signers.js";
export type { Stats } from "./stats.js";
export type { Outcome, Point, Task } from "./task.js";
export type { Update, Updates } from "./updates.js";
