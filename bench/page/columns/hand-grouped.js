// Written by hand, at its best: what is queued while a commit is under way goes into the next one.

import { changeIn, openByHand, sendByHand } from "./hand.js";

export async function open(options) {
  const store = await openByHand(options);
  let queue = [];
  let isBusy = false;

  async function flush() {
    // After the caller's own turn, so that all it puts in one go is in one commit.
    await undefined;
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      await store.putAll(batch.map(({ record }) => record)).then(
        () => batch.forEach(({ resolve }) => void resolve()),
        (error) => batch.forEach(({ reject }) => void reject(error)),
      );
    }
    isBusy = false;
  }

  function put(record) {
    return new Promise((resolve, reject) => {
      queue.push({ record, resolve, reject });
      if (isBusy) return;
      isBusy = true;
      flush();
    });
  }

  const whole = { ...store, put };
  return {
    ...whole,
    changeStatus: (keys) =>
      store.commit((tasks) => {
        for (const key of keys) changeIn(tasks, key);
      }),
    send: (record) => sendByHand(whole, record, options),
  };
}
