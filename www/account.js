// A burner account: a private key kept in this browser that signs with viem, offline too.
//
// Which nonce comes next is known without asking the chain: the lowest one that is neither used nor taken by a
// transaction in the backup. Tabs sign in turns, by a lock, so that no two transactions get the same.

import { keccak256 } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { openRecord } from "./record.js";

const PRIORITY_FEE_WEI = 1_000_000_000n;
const FIRST_MAX_FEE_WEI = 10_000_000_000n;

/** Opens the account of this name, which is made at the first time. Open it before the cache: see `forgetLost`. */
export async function openAccount({ name, chainId }) {
  const record = await openRecord(name, () => ({
    privateKey: generatePrivateKey(),
    maxFeeWei: FIRST_MAX_FEE_WEI,
    /** All nonces below this one are used. */
    usedBelow: 0,
    /** Nonces by transaction id: of those in the backup, or on their way there. */
    taken: {},
  }));
  const inTurn = (work) => navigator.locks.request(`account/${name}`, work);
  const opened = await inTurn(record.read);
  const takenAtOpening = Object.keys(opened.taken);
  const signer = privateKeyToAccount(opened.privateKey);

  async function sign({ to, data }) {
    const { usedBelow, taken, maxFeeWei } = await record.read();
    const nonce = lowestFree(usedBelow, Object.values(taken));
    const payload = await signer.signTransaction({
      type: "eip1559",
      chainId,
      nonce,
      to,
      data,
      gas: gasBound(data),
      maxFeePerGas: maxFeeWei,
      maxPriorityFeePerGas: PRIORITY_FEE_WEI,
    });
    return { payload, nonce };
  }

  function release(txIds) {
    return record.update(({ taken }) => {
      for (const txId of txIds) delete taken[txId];
    });
  }

  return {
    address: signer.address,

    /** Signs a call and hands the bytes to `submit`; the nonce stays taken when that resolves. */
    signAndSubmit(call, submit) {
      return inTurn(async () => {
        const { payload, nonce } = await sign(call);
        const txId = keccak256(payload);
        // Before it is submitted: a tab that dies in between must not leave its nonce to another.
        await record.update(({ taken }) => {
          taken[txId] = nonce;
        });
        try {
          return await submit(payload);
        } catch (error) {
          await release([txId]);
          throw error;
        }
      });
    },

    /** Gives up the nonces that a tab took and did not live to submit: no task of the opened cache has them. */
    forgetLost(tasks) {
      const kept = new Set(tasks.map((task) => task.txId));
      return release(takenAtOpening.filter((txId) => !kept.has(txId)));
    },

    /** A task has settled: its nonce is used for ever, or free again. */
    settle({ txId, status, reason }) {
      return record.update((account) => {
        const nonce = account.taken[txId];
        if (nonce === undefined) return;
        delete account.taken[txId];
        const isOnChain = status === "final" || reason === "reverted";
        if (isOnChain) account.usedBelow = Math.max(account.usedBelow, nonce + 1);
      });
    },

    /** Learns from the chain what the fees are, and which nonces are used that this browser does not know of. */
    async syncWith(client) {
      const [count, block] = await Promise.all([
        client.getTransactionCount({ address: signer.address, blockTag: "pending" }),
        client.getBlock(),
      ]);
      await record.update((account) => {
        account.usedBelow = Math.max(account.usedBelow, count);
        // Room for the base fee to double twice while the transaction waits offline.
        account.maxFeeWei = 4n * block.baseFeePerGas + PRIORITY_FEE_WEI;
      });
    },
  };
}

function lowestFree(from, taken) {
  let nonce = from;
  while (taken.includes(nonce)) nonce++;
  return nonce;
}

/** More than a `put` of these bytes can cost (calldata, storage, log), since nobody can be asked offline. */
function gasBound(data) {
  const bytes = (data.length - 2) / 2;
  return 250_000n + 1_000n * BigInt(bytes);
}
