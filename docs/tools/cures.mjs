// What to do about each error code, and where it comes from. The site is not made where a code is missing here, or is none.
export const CURES = {
  invalid_input:
    "Mend the call: the message names the option or the argument. Nothing of it was stored. Show it to developers, not to users.",
  wrong_chain:
    "Ask the wallet to switch to the chain of the cache (`cache.chainId`), and sign again. Nothing was stored.",
  too_large:
    "Put the data elsewhere and its hash on the chain, or split it. The limits: a payload and an encoded value have 1 MiB each.",
  conflict:
    "The same idempotency key, or the same transaction, is known with other content. Take a new key for what is new; for what is the same give the same content, and get the same task.",
  not_found:
    "No such task, or it ended and left the backup. Look at `read(key)`: a settled value is there.",
  already_sent:
    "The chain may have the task. To end it, give `cancel` a transaction of the same nonce that pays more; to speed it up, `replace` it; else wait for its outcome.",
  closed:
    "Open the cache again. A handle that was closed, or whose database went away, is dead; what was acknowledged is in the database.",
  aborted: "Your own signal was aborted. Nothing to do.",
  storage_unavailable:
    "Tell the user that nothing can be saved here: private modes and blocked site data do that, or another tab holds an old version open. Offer to try again; do not send around the cache.",
  storage_failed:
    "A commit failed, nothing of it was stored, nothing earlier is harmed. Try the same call again.",
  quota_exceeded:
    "The origin's room is used up, and no settled value is left to be evicted for it. Ask the user to free room, `discard` failed tasks, keep less elsewhere, then try again.",
  newer_format:
    "A newer version of the package wrote the database: load the page anew, to get the newer one.",
  cannot_send:
    "The browser has no Web Locks here: the page is no secure context. Serve it by https, or from localhost. What is backed up stays.",
  gateway_unreachable:
    "Show what is at hand and say that the network is away. Tasks go out by themselves once it is back; a read can be tried again.",
  gateway_error:
    "The gateway answered with an error, or with no answer at all. Try again; give `evm` more urls. Where it stays: look at the message, and at `stats().gateways`.",
  limit_exceeded:
    "Too much waits: 100,000 unsettled tasks, or too many calls. Wait for some to settle, then try again.",
  failed:
    "The task failed before what you waited for: `task.settled` gives the outcome, with its reason and cause. Show it, let the user write it anew, then `discard` it.",
  wasm_unavailable:
    "Read the message. Where a Content-Security-Policy forbids WebAssembly, add `'wasm-unsafe-eval'` to its `script-src`; where a bundler moved `uplink_cache_bg.wasm`, give `openCache` its address as the option `wasm`. Where `retryable` is true, the network was away: try again. The same is said of `recover.js`, the part that `replace` and `cancel` with a payload need: where a newer version of your app took its place on the server, load the page anew.",
  internal:
    "A bug in the package, or the module ran out of memory. Call `openCache` again: a new instance begins, and what was acknowledged is there. Please report it.",
};
