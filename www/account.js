// A burner account: a private key in localStorage that signs with viem, offline too.
//
// Which nonce comes next is known without asking the chain: the lowest one that is neither settled nor taken by a
// transaction in the backup. Tabs take turns with a lock, so that no two transactions get the same.

import { keccak256 } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readJson, storedOnce, writeJson } from "./storage.js";

const PRIORITY_FEE_WEI = 1_000_000_000n;
const FIRST_MAX_FEE_WEI = 10_000_000_000n;

/**
 * Opens the account under `name`, which is the name of its records too.
 * `taken` are the nonces of the transactions that were in the backup, or on their way there, when the page was opened.
 */
export function openAccount({ name, chainId }) {
  const signer = privateKeyToAccount(storedOnce(`${name}/key`, generatePrivateKey));
  const record = `${name}/nonces`;
  const takenAtOpening = Object.keys(nonces().taken);

  function nonces() {
    return readJson(record, { usedBelow: 0, taken: {}, maxFeeWei: `${FIRST_MAX_FEE_WEI}` });
  }

  /** Changes the record while no other tab does. `change` may take its time. */
  function exclusively(change) {
    return navigator.locks.request(record, change);
  }

  function update(change) {
    const current = nonces();
    change(current);
    writeJson(record, current);
  }

  return {
    address: signer.address,

    /** Signs a call and hands the bytes to `submit`; the nonce stays taken when that resolves. */
    signAndSubmit({ to, data }, submit) {
      return exclusively(async () => {
        const { usedBelow, taken, maxFeeWei } = nonces();
        const nonce = lowestFree(usedBelow, Object.values(taken));
        const payload = await signer.signTransaction({
          type: "eip1559",
          chainId,
          nonce,
          to,
          data,
          gas: gasBound(data),
          maxFeePerGas: BigInt(maxFeeWei),
          maxPriorityFeePerGas: PRIORITY_FEE_WEI,
        });
        const txId = keccak256(payload);
        // Taken before it is submitted: a tab that dies in between must not leave its nonce to another.
        update((record) => {
          record.taken[txId] = nonce;
        });
        try {
          return await submit(payload);
        } catch (error) {
          update((record) => {
            delete record.taken[txId];
          });
          throw error;
        }
      });
    },

    /** Gives up the nonces that a dead tab took for transactions which never reached the backup. */
    forgetLost(tasks) {
      const kept = new Set(tasks.map((task) => task.txId));
      const lost = takenAtOpening.filter((txId) => !kept.has(txId));
      return exclusively(() =>
        update((record) => {
          for (const txId of lost) delete record.taken[txId];
        }),
      );
    },

    /** A task has settled: its nonce is used for ever, or free again. */
    settle(task) {
      return exclusively(() =>
        update((record) => {
          const nonce = record.taken[task.txId];
          if (nonce === undefined) return;
          delete record.taken[task.txId];
          const isOnChain = task.status === "final" || task.reason === "reverted";
          if (isOnChain) record.usedBelow = Math.max(record.usedBelow, nonce + 1);
        }),
      );
    },

    /** Learns from the chain what the fees are, and which nonces are used that this browser forgot. */
    async syncWith(client) {
      const [count, block] = await Promise.all([
        client.getTransactionCount({ address: signer.address, blockTag: "pending" }),
        client.getBlock(),
      ]);
      await exclusively(() =>
        update((record) => {
          record.usedBelow = Math.max(record.usedBelow, count);
          // Room for the base fee to double twice while the transaction waits offline.
          record.maxFeeWei = `${4n * block.baseFeePerGas + PRIORITY_FEE_WEI}`;
        }),
      );
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
