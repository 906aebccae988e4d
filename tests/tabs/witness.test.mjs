// The witness itself: hand-made logs, each with one thing that must not be, and some that may.

import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./witness.mjs";

const OLD = { path: "/old", leads: 100, goneFrom: 200, goneBy: 210 };
const NEW = { path: "/new", leads: 220 };
const TX = "0x01";
const send = (path, at) => ({ method: "eth_sendRawTransaction", txId: TX, path, at });
const look = (path, at, result, delivered = true) => ({
  method: "eth_getTransactionByHash",
  params: [TX],
  path,
  at,
  reply: { result },
  delivered,
});

const rows = [
  { name: "a send by the leader", log: [send("/old", 150)] },
  {
    name: "a send again by the next leader, after a look that found nothing",
    log: [send("/old", 150), look("/new", 230, null), send("/new", 240)],
  },
  {
    name: "bytes of a dead leader that arrive after the look of the next",
    log: [look("/new", 230, null), send("/old", 235), send("/new", 240)],
  },
  {
    name: "such bytes where it is known only later that the old one is dead",
    log: [look("/new", 230, null), send("/old", 235), send("/new", 240)],
    lives: [{ ...OLD, goneBy: 250 }, NEW],
  },
  {
    name: "a send again without a look",
    log: [send("/old", 150), send("/new", 240)],
    doubled: /was not asked/,
  },
  {
    name: "a send again after a look that found it",
    log: [send("/old", 150), look("/new", 230, { hash: TX }), send("/new", 240)],
    doubled: /was not asked/,
  },
  {
    name: "a send again after a look whose answer never came",
    log: [send("/old", 150), look("/new", 230, null, false), send("/new", 240)],
    doubled: /was not asked/,
  },
  {
    name: "a look that another tab made",
    log: [send("/old", 150), look("/old", 160, null), send("/new", 240)],
    doubled: /was not asked/,
  },
  {
    name: "a look that was used up by a send before",
    log: [send("/old", 150), look("/new", 230, null), send("/new", 240), send("/new", 250)],
    doubled: /was not asked/,
  },
  {
    name: "a send again of what a tab was told to be sent",
    log: [send("/old", 150), look("/new", 230, null), send("/new", 240)],
    toldSent: new Map([[TX, 160]]),
    doubled: /had it as sent/,
  },
  { name: "a send before the tab leads", log: [send("/new", 215)], doubled: /did not lead/ },
  { name: "a send by nobody known", log: [send("/other", 150)], doubled: /did not lead/ },
  {
    name: "a tab that leads while another still does",
    log: [],
    lives: [OLD, { ...NEW, leads: 190 }],
    rivals: 1,
  },
  {
    name: "a tab that leads while another lives on",
    log: [],
    lives: [{ path: "/old", leads: 100 }, NEW],
    rivals: 1,
  },
];

for (const { name, log, lives = [OLD, NEW], toldSent = new Map(), doubled, rivals = 0 } of rows) {
  test(`the witness ${doubled || rivals ? "finds" : "allows"} ${name}`, () => {
    const found = judge({ log, lives: [...lives], toldSent });
    assert.equal(found.rivals.length, rivals);
    if (doubled === undefined) return assert.deepEqual(found.doubled, []);
    assert.equal(found.doubled.length, 1);
    assert.match(found.doubled[0], doubled);
  });
}
