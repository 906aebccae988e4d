// axe finds nothing wrong with the inspector, in a page of its own and in the demo's.

import { REVERTER, test } from "../e2e/fixture.mjs";
import { launch, temporaryProfile } from "../support/browser.mjs";
import { startDemo } from "../support/demo.mjs";
import { assertAccessible, createInspectorWorld, row } from "./world.mjs";

test("without a cache, without tasks, with tasks of each state and one open, and closed: axe finds nothing", async (t) => {
  const world = await createInspectorWorld(t);
  const page = await world.open();
  await page.evaluate(() => import("/dist/inspector.js"));
  await page.getByText("No cache yet").waitFor();
  await assertAccessible(page, "without a cache");

  await page.evaluate(async (options) => {
    await uplink.start(options);
    document.querySelector("uplink-inspector").cache = cache;
  }, world.options());
  await page.getByText("No tasks in the backup.").waitFor();
  await assertAccessible(page, "without tasks");

  const final = await world.submit(page, { key: "final", text: "1" });
  const failed = await world.submit(page, {
    key: "failed",
    to: REVERTER,
    text: "2",
    gas: 100_000n,
  });
  await world.mineToFinal(final.txId, failed.txId);
  const included = await world.submit(page, { key: "included", text: "3" });
  await world.untilAccepted(included.txId);
  await world.mine();
  const sent = await world.submit(page, { key: "sent", text: "4" });
  await world.untilAccepted(sent.txId);
  const poor = await world.wallet.sign({ value: 10n ** 24n });
  const blockedId = await page.evaluate(
    async (payload) => (await cache.submit({ payload, key: "blocked", value: 1 })).id,
    poor.raw,
  );
  await world.submit(page, { key: "waits", text: "5", after: [blockedId] });
  for (const [key, words] of Object.entries({
    final: "Final",
    failed: "Failed",
    included: "In a block",
    sent: "Sent",
    blocked: "Blocked",
    waits: "Backed up",
  })) {
    await row(page, key, words).waitFor();
  }
  await row(page, "blocked").getByRole("button").press("Enter");
  await page.locator("uplink-inspector tr.details").waitFor();
  await assertAccessible(page, "with tasks");

  await page.evaluate(() => cache.close());
  await page.getByText("The cache answers no more").waitFor();
  await assertAccessible(page, "closed");
});

test(
  "npm start: both rooms have the inspector in a drawer, which Escape closes, and axe finds nothing",
  async (t) => {
    const demo = await startDemo(t);
    const profile = await temporaryProfile();
    t.after(profile.remove);
    const browser = await launch({ profile: profile.path });
    t.after(browser.close);
    const page = await browser.context.newPage();
    for (const { path, field, send, key } of [
      { path: "/", field: "#text", send: "#sign:enabled", key: "entry/" },
      { path: "/board.html", field: "#text", send: "#post:enabled", key: "post/" },
    ]) {
      await page.goto(new URL(path, demo.url).href);
      await page.waitForSelector(send);
      await page.fill(field, "Looked at closely.");
      await page.click(send);
      await page.click("#inspect");
      await page.locator("uplink-inspector .key", { hasText: key }).first().waitFor();
      await assertAccessible(page, path);
      await page.keyboard.press("Escape");
      await page.locator("uplink-inspector").waitFor({ state: "detached" });
      await page.waitForFunction(() => document.activeElement.id === "inspect");
    }
  },
  { timeoutMs: 120_000 },
);
