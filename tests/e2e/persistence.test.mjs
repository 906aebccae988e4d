// Asking the browser to keep the storage: once, when there is something to lose, and never waited for.

import assert from "node:assert/strict";
import { createWorld, test } from "./fixture.mjs";

/** Counts the questions, and answers as told: "yes", "no" or never. */
const browserThat = (answer) => `{
  globalThis.asked = 0;
  const storage = StorageManager.prototype;
  storage.persisted = async () => false;
  storage.persist = () => {
    asked += 1;
    return ${answer === "never" ? "new Promise(() => {})" : `Promise.resolve(${answer === "yes"})`};
  };
}`;

const look = (page) =>
  page.evaluate(async () => {
    // The answer is there within the tasks that are queued already.
    await new Promise((resolve) => setTimeout(resolve));
    const { persisted, askedToPersist } = cache.stats();
    return { persisted, askedToPersist, asked: globalThis.asked };
  });

async function submit(world, page) {
  const { raw } = await world.wallet.sign({});
  await page.evaluate((payload) => cache.submit({ payload }), raw);
}

const answers = { yes: true, no: false, never: false };

for (const [answer, persisted] of Object.entries(answers)) {
  test(`the browser is asked once, when there is something to lose; it answers: ${answer}`, async (t) => {
    const world = await createWorld(t, { gatewayIsUp: false });
    const page = await world.openPage({ initScript: browserThat(answer) });
    const open = (options) =>
      page.evaluate((options) => uplink.start(options), world.options(options));
    await open({ persist: true });
    assert.deepEqual(await look(page), { persisted: false, askedToPersist: false, asked: 0 });
    await submit(world, page);
    await submit(world, page);
    assert.deepEqual(await look(page), { persisted, askedToPersist: true, asked: 1 });
    // What was left unsettled is something to lose.
    await page.evaluate(() => cache.close());
    await open({ persist: true });
    assert.deepEqual(await look(page), { persisted, askedToPersist: true, asked: 2 });
    await page.evaluate(() => cache.close());
    await open({});
    await submit(world, page);
    assert.deepEqual(await look(page), { persisted: false, askedToPersist: false, asked: 2 });
  });
}

test("what Chromium itself answers stands in stats()", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const browser = await world.openBrowser();
  const page = await browser.openPage();
  const permit = async (setting) => {
    const session = await browser.context.newCDPSession(page);
    const permission = { name: "persistent-storage" };
    await session.send("Browser.setPermission", { permission, setting, origin: world.site.url });
  };
  for (const [setting, expected] of Object.entries({ denied: false, granted: true })) {
    await permit(setting);
    await page.evaluate((options) => uplink.start(options), world.options({ persist: true }));
    await submit(world, page);
    const truth = await page.evaluate(() => navigator.storage.persist());
    assert.equal(truth, expected, `the browser is told ${setting}`);
    assert.equal((await look(page)).persisted, expected);
    await page.evaluate(() => cache.close());
  }
});
