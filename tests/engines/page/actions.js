// What a test asks of a page or a worker, in plain data.

import { evm, openCache } from "/dist/index.js";

import { features } from "./features.js";

let cache;

/** Opens the cache; the gateway's options are those of `evm`. */
async function open({ gateway, ...options }) {
  cache = await openCache({ ...options, gateway: evm(gateway) });
}

/** Submits, and tells what is seen at once. */
async function submit({ payload, key, value }) {
  const task = await cache.submit({ payload, key, value });
  return { status: task.status, peeked: cache.peek(key), read: await cache.read(key) };
}

/** Waits until a key's task is settled. */
function settled(key) {
  return cache.tasks().find((task) => task.key === key).settled;
}

function read(key) {
  return cache.read(key);
}

function leader() {
  return cache.stats().leader;
}

async function close() {
  await cache.close();
}

export const actions = { open, submit, settled, read, leader, close, features };
