import { hexlify, toUtf8Bytes, Wallet } from "ethers";
import { evm, localSigner, openCache } from "uplink-cache";
import { chainId, rpcUrl } from "./config.js";
import { keyOfThisBrowser } from "./key.js";

const wallet = new Wallet(await keyOfThisBrowser(() => Wallet.createRandom().privateKey));

const cache = await openCache({
  name: "plain-notes",
  account: wallet.address,
  gateway: evm({ urls: [rpcUrl], chainId }),
  signers: {
    burner: localSigner({
      account: { address: wallet.address, signTransaction },
      transaction: ({ value }) => ({
        to: wallet.address,
        data: hexlify(toUtf8Bytes(value.text)),
      }),
    }),
  },
});

/** The cache asks as viem does; ethers has other words for the same. */
function signTransaction({ gas, type, ...rest }) {
  return wallet.signTransaction({ ...rest, gasLimit: gas, type: type === "legacy" ? 0 : 2 });
}

const form = document.querySelector("#compose");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = new FormData(form).get("text");
  const key = `note/${new Date().toISOString()}/${crypto.randomUUID()}`;
  await cache.submit({ key, value: { text }, sign: "burner" });
  form.reset(); // it is durable now
});

cache.watch({ prefix: "note/", reverse: true, limit: 50 }, ({ items }) => {
  document.querySelector("#notes").replaceChildren(...items.map(drawNote));
});

function drawNote({ value, status }) {
  const item = document.createElement("li");
  item.dataset.status = status;
  item.textContent = value.text;
  return item;
}

document.querySelector("#address").textContent = wallet.address;
