// Signs transactions in Node for anvil's funded accounts, without asking a gateway for anything.

import { keccak256, stringToHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";

const ANVIL_MNEMONIC = "test test test test test test test test test test test junk";
const FEE_PER_GAS = 100_000_000_000n;
const RECIPIENT = "0x000000000000000000000000000000000000dEaD";

/** A signer that counts its own nonces. `sign` gives `{ raw, txId, data, nonce }`. */
export function createWallet({ chainId = 31337, index = 0 } = {}) {
  const account = mnemonicToAccount(ANVIL_MNEMONIC, { addressIndex: index });
  let nextNonce = 0;

  async function sign({ data = "0x", text, type = "eip1559", ...fields } = {}) {
    const calldata = text === undefined ? data : stringToHex(text);
    const nonce = fields.nonce ?? nextNonce++;
    const transaction = {
      chainId,
      to: RECIPIENT,
      data: calldata,
      gas: gasFor(calldata, type),
      ...feesOf(type),
      ...(await extrasOf(type, account, chainId)),
      ...fields,
      type,
      nonce,
    };
    const raw = await account.signTransaction(transaction);
    return { raw, txId: keccak256(raw), data: calldata, nonce };
  }

  /** `count` transactions, each with a text of its own. */
  async function signMany(count, label = "entry") {
    const transactions = [];
    for (let i = 0; i < count; i++) transactions.push(await sign({ text: `${label} ${i}` }));
    return transactions;
  }

  return { address: account.address, account, sign, signMany };
}

/** Enough to carry the calldata at its floor price; calling a contract needs more. */
function gasFor(data, type) {
  const extras = type === "eip2930" || type === "eip7702" ? 50_000n : 0n;
  return 21_500n + extras + 40n * BigInt(data.length / 2 - 1);
}

function feesOf(type) {
  if (type === "legacy" || type === "eip2930") return { gasPrice: FEE_PER_GAS };
  return { maxFeePerGas: FEE_PER_GAS, maxPriorityFeePerGas: 1n };
}

async function extrasOf(type, account, chainId) {
  if (type === "eip2930")
    return { accessList: [{ address: RECIPIENT, storageKeys: [`0x${"01".repeat(32)}`] }] };
  if (type !== "eip7702") return {};
  const authorization = await account.signAuthorization({
    chainId,
    address: RECIPIENT,
    nonce: 1_000,
  });
  return { authorizationList: [authorization] };
}
