// A dapp's service worker: the two lines of the README, and what tests need to see what became of an event.

import { backgroundSync, evm } from "/dist/service-worker.js";

const { gateway, ...options } = JSON.parse(new URL(location.href).searchParams.get("options"));
/** Each sync event's tag, and a promise of what became of it. */
const events = [];

addEventListener("sync", (event) => {
  const seen = { tag: event.tag, outcome: Promise.resolve("left alone") };
  events.push(seen);
  const waitUntil = event.waitUntil.bind(event);
  event.waitUntil = (work) => {
    seen.outcome = work.then(
      () => "done",
      (error) => error.code ?? String(error),
    );
    waitUntil(work);
  };
});

backgroundSync({ ...options, gateway: evm(gateway) });

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

/** Answers with the outcomes of the events of a tag, once they are done. */
addEventListener("message", (event) => {
  const { tag } = event.data;
  const outcomes = events.filter((seen) => seen.tag === tag).map(({ outcome }) => outcome);
  event.waitUntil(Promise.all(outcomes).then((all) => event.ports[0].postMessage(all)));
});
