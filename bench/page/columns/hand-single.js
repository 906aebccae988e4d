// Written by hand, as it is usually written: a commit for each record.

import { changeIn, openByHand, sendByHand } from "./hand.js";

export async function open(options) {
  const store = await openByHand(options);
  const whole = { ...store, put: (record) => store.putAll([record]) };
  return {
    ...whole,
    changeStatus: (keys) =>
      Promise.all(keys.map((key) => store.commit((tasks) => changeIn(tasks, key)))),
    send: (record) => sendByHand(whole, record, options),
  };
}
