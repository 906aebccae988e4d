// What a page's own network does that no gateway does: a `fetch` that others have wrapped, a socket that goes silent.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createWorld, test } from "./fixture.mjs";

/** In place of the page's own: each fails the first posts in its way, as wrappers, mocks and frames were seen to. */
const odd = {
  "a rejection with a string": () => Promise.reject("blocked by an extension"),
  "a rejection with nothing": () => Promise.reject(),
  "a throw": () => {
    throw new TypeError("no network here");
  },
  "what is no response": () => ({}),
  "a promise of nothing": () => Promise.resolve(undefined),
};

test("a fetch that throws, rejects with anything or gives no response is a gateway that does not answer, and no trap", async (t) => {
  const world = await createWorld(t);
  for (const [name, answer] of Object.entries(odd)) {
    const page = await world.openPage({
      initScript: `{
        const own = globalThis.fetch;
        let posts = 0;
        globalThis.fetch = (...all) => {
          if (all[0].method === "POST" && ++posts <= 3) return (${answer})();
          return own(...all);
        };
        globalThis.posts = () => posts;
      }`,
    });
    const { raw, txId } = await world.wallet.sign({ text: name });
    await page.evaluate(
      async ({ options, raw }) => {
        await uplink.start(options);
        await cache.submit({ payload: raw, key: "entry/1", value: 1 });
      },
      { options: world.options({ name }), raw },
    );
    await world.mineToFinal(txId);
    const { status } = await page.evaluate(() => cache.tasks()[0].settled);
    assert.equal(status, "final", name);
    assert.ok((await page.evaluate(() => posts())) > 3, name);
    await page.close();
  }
});

/** Between a page and a port: `freeze` keeps what is open open, and lets nothing through it any more. */
async function startPipe(t, port) {
  const ends = new Set();
  let connections = 0;
  const server = createServer((near) => {
    connections += 1;
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      ends.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        ends.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const end of ends) end.destroy();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    connections: () => connections,
    freeze() {
      for (const end of ends) end.unpipe().pause();
    },
  };
}

test("a socket that goes silent and stays open is replaced: what was written meanwhile settles", async (t) => {
  const world = await createWorld(t);
  const pipe = await startPipe(t, Number(new URL(world.chain.url).port));
  const page = await world.openPage();
  const [first, second] = await world.wallet.signMany(2);
  await page.evaluate(
    (options) => uplink.start(options),
    world.options({ gateway: { urls: [pipe.url], timeoutMs: 1_000 } }),
  );
  const submit = ({ raw, nonce }) =>
    page.evaluate(
      async ({ raw, nonce }) => {
        await cache.submit({ payload: raw, key: `entry/${nonce}`, value: nonce });
      },
      { raw, nonce },
    );
  await submit(first);
  await page.evaluate(() => cache.tasks()[0].until("sent"));
  const before = pipe.connections();
  pipe.freeze();
  await submit(second);
  await page.evaluate(() => cache.tasks()[1].until("sent"));
  assert.ok(pipe.connections() > before);
});
