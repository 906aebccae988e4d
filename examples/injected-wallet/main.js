import { evm, openCache, walletSigner } from "uplink-cache";

const rpcUrl = import.meta.env.VITE_RPC_URL;
const chainId = Number(import.meta.env.VITE_CHAIN_ID);
const [button, form, notes, trouble] = ["connect", "compose", "notes", "trouble"].map((id) =>
  document.getElementById(id),
);

button.addEventListener("click", () => connect().catch(tell));

async function connect() {
  const wallet = window.ethereum;
  if (wallet === undefined) throw new Error("this browser has no wallet");
  const [address] = await wallet.request({ method: "eth_requestAccounts" });
  const chain = { chainId: `0x${chainId.toString(16)}` };
  await wallet.request({ method: "wallet_switchEthereumChain", params: [chain] });
  wallet.on("accountsChanged", () => location.reload());

  const transaction = ({ value }) => ({ to: address, data: toHex(value.text) });
  const cache = await openCache({
    name: "wallet-notes",
    account: address,
    gateway: evm({ urls: [rpcUrl], chainId }),
    signers: { wallet: walletSigner({ provider: wallet, address, transaction }) },
  });
  cache.watch({ prefix: "note/", reverse: true, limit: 50 }, ({ items }) => {
    notes.replaceChildren(...items.map((entry) => drawNote(cache, entry)));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    write(cache).catch(tell);
  });
  button.hidden = true;
  form.hidden = false;
}

/** Durable before the wallet is asked: a rejected signature or a closed tab loses nothing. */
async function write(cache) {
  const value = { text: new FormData(form).get("text") };
  const key = `note/${new Date().toISOString()}/${crypto.randomUUID()}`;
  await cache.submit({ key, value, sign: "wallet" });
  form.reset();
}

function drawNote(cache, { value, status, taskId }) {
  const item = document.createElement("li");
  item.dataset.status = status;
  item.textContent = value.text;
  if (status === "blocked") item.append(drawRetry(cache, taskId));
  return item;
}

function drawRetry(cache, id) {
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "Ask again";
  again.addEventListener("click", () => askAgain(cache, id).catch(tell));
  return again;
}

/** Where nobody knows whether the wallet sent it, the chain is looked through first. */
async function askAgain(cache, id) {
  if (cache.task(id)?.reason === "unknown") {
    const { result, cause } = await cache.reconcile(id);
    if (result === "found") return;
    if (result === "unknown") throw new Error(cause);
  }
  await cache.retry(id);
}

function tell({ message }) {
  trouble.textContent = message;
}

function toHex(text) {
  const bytes = Array.from(new TextEncoder().encode(text));
  return `0x${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
