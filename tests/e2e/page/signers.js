// Signers as a dapp has them, made in the page of plain descriptions: real viem accounts, and a small EIP-1193 provider
// over the chain's own unlocked accounts. What they are asked is kept on `signers.log`.

import { mnemonicToAccount } from "/vendor/viem/accounts.js";

const MNEMONIC = "test test test test test test test test test test test junk";
const RECIPIENT = "0x000000000000000000000000000000000000dead";
const log = [];
/** Set by tests: the next answers of a signer or provider, by name: "reject", "hang", "hang-after", "lose". */
const moods = {};

globalThis.signers = { log, moods, make };

/** A map from names to descriptions, as `openCache` takes it. */
function make(descriptions, { localSigner, walletSigner }) {
  const made = Object.entries(descriptions).map(([name, description]) => {
    const kind = { local, wallet, bare }[description.kind];
    return [name, kind(name, description, { localSigner, walletSigner })];
  });
  return Object.fromEntries(made);
}

/** What the transaction for a task does: the value as calldata. */
function transaction({ key, value }) {
  const bytes = new TextEncoder().encode(JSON.stringify([key, value]));
  const data = `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return { to: RECIPIENT, data };
}

async function mood(name, signal) {
  const is = moods[name]?.shift();
  if (is === "reject") throw Object.assign(new Error("the user rejected"), { code: 4001 });
  if (is === "throw") throw new Error("the signer is broken");
  if (is === "hang") {
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    log.push({ name, aborted: true });
    await new Promise(() => {});
  }
  return is;
}

/** viem's account of this index; `signAs` another one whose signature it gives. */
function local(name, { index = 0, signAs = index, timeoutMs, chainId }, { localSigner }) {
  const account = mnemonicToAccount(MNEMONIC, { addressIndex: index });
  const hand = mnemonicToAccount(MNEMONIC, { addressIndex: signAs });
  const signer = localSigner({
    account: {
      address: account.address,
      signTransaction: (fields) => hand.signTransaction({ ...fields, ...(chainId && { chainId }) }),
    },
    transaction,
    ...(timeoutMs && { timeoutMs }),
  });
  const { sign } = signer;
  return {
    ...signer,
    async sign(task, context) {
      log.push({ name, id: task.id, key: task.key, value: task.value, nonce: context.nonce });
      await mood(name, context.signal);
      return sign(task, context);
    },
  };
}

/** A wallet over anvil's unlocked account of this index. */
function wallet(name, { url, index = 1, timeoutMs, noRequest = false }, { walletSigner }) {
  const { address } = mnemonicToAccount(MNEMONIC, { addressIndex: index });
  const provider = {
    async request({ method, params = [] }) {
      if (method !== "eth_sendTransaction") return call(url, method, params);
      log.push({ name, params });
      const is = await mood(name);
      const txId = await call(url, method, params);
      log.push({ name, txId });
      if (is === "hang-after") await new Promise(() => {});
      if (is === "lose")
        throw Object.assign(new Error("the connection was lost"), { code: -32603 });
      return txId;
    },
  };
  const signer = walletSigner({ provider, address, transaction, ...(timeoutMs && { timeoutMs }) });
  if (noRequest) delete signer.request;
  return signer;
}

/** A plain function: it gives what `answer` says. */
function bare(name, { answer }) {
  return async (task) => {
    log.push({ name, id: task.id });
    await mood(name);
    return answer;
  };
}

async function call(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error) throw Object.assign(new Error(error.message), { code: error.code });
  return result;
}
