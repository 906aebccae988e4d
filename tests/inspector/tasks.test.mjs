// What the inspector shows of tasks is what becomes of them on a real chain, and what it does to them is done by keyboard alone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { REVERTER, test } from "../e2e/fixture.mjs";
import { createInspectorWorld, row, show } from "./world.mjs";

const POOR = { key: "poor", value: 10n ** 24n };
const ODD = `<img src=x onerror="inspectorPage.violations.push('ran')">\u202e"'&`;

test("a row appears once a task is backed up, follows it to finality, and tells its story", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open(world.options());
  await page.getByText("No tasks in the backup.").waitFor();
  const { id, txId } = await world.submit(page, { key: "entry/1", text: "hi" });
  await row(page, "entry/1", "Backed up").waitFor();
  world.gateway.up();
  await row(page, "entry/1", "Sent").waitFor({ timeout: 30_000 });
  await world.untilAccepted(txId);
  await world.mine();
  await row(page, "entry/1", "In a block").waitFor();
  await row(page, "entry/1").getByRole("button").click();
  const details = page.locator("uplink-inspector tr.details");
  for (const text of [id, txId, "+", "block 1"]) {
    await details
      .getByText(text, { exact: text.length > 40 })
      .first()
      .waitFor();
  }
  await world.mine(4);
  await row(page, "entry/1", "Final").waitFor();
  const story = await details.locator("li .what").allTextContents();
  assert.deepEqual(story, ["Submitted", "Backed up", "Sent", "In a block", "Final"]);
  const head = page.locator("uplink-inspector dd").first();
  await head.getByText("5", { exact: true }).waitFor();
  await page
    .locator("uplink-inspector li[data-state=up]", { hasText: world.gateway.url })
    .waitFor();
  await page.locator("uplink-inspector .role", { hasText: "this tab sends" }).waitFor();
  const lanes = await page.locator("uplink-inspector svg.lane").evaluateAll(laneDots);
  assert.deepEqual(lanes, [
    ["Backed up: 1 task", 1],
    ["Sent: 1 task", 1],
    ["In a block: 1 task", 1],
    ["Final: 1 task", 1],
  ]);
});

test("retry, cancel and discard by keyboard alone: where they are not allowed they do nothing, and what failed is said", async (t) => {
  const world = await createInspectorWorld(t);
  const page = await world.open(world.options());
  const bad = await world.submit(page, { key: "bad", text: "x", to: REVERTER, gas: 100_000n });
  await world.mineToFinal(bad.txId);
  await row(page, "bad", "Failed").waitFor();
  const { value } = POOR;
  const poor = await world.wallet.sign({ value });
  const poorId = await page.evaluate(
    async (payload) => (await cache.submit({ payload, key: "poor", value: 1 })).id,
    poor.raw,
  );
  await row(page, "poor", "Blocked").waitFor();
  await world.submit(page, { key: "waits", text: "y", after: [poorId] });
  await row(page, "waits", "Backed up").waitFor();

  await tabUntil(page, "name");
  assert.equal(await focused(page), "name waits");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(page), "name poor");
  await page.keyboard.press("End");
  assert.equal(await focused(page), "name bad");
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.locator("uplink-inspector tr.details").waitFor();
  await tabUntil(page, "retry");
  assert.equal(await disabled(page), "retry discard");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await row(page, "waits", "Failed").waitFor();
  await page.getByText("It is cancelled.").first().waitFor();
  assert.equal(await focused(page), "cancel");
  await page.waitForFunction(isEnabled, "discard");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await row(page, "waits").waitFor({ state: "detached" });
  await page.waitForFunction(hasFocus, "name poor");

  await world.chain.rpc("anvil_setBalance", [world.wallet.address, "0xffffffffffffffffffffffff"]);
  await page.keyboard.press("Enter");
  await tabUntil(page, "retry");
  assert.equal(await disabled(page), "discard");
  await page.keyboard.press("Space");
  await row(page, "poor", "Sent").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("uplink-inspector tr.details").waitFor({ state: "detached" });
  assert.equal(await focused(page), "name poor");

  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.evaluate(() => cache.close());
  await page.getByText("The cache answers no more: closed").waitFor();
  await tabUntil(page, "discard");
  await page.keyboard.press("Enter");
  await page.getByText("Discard did not work: closed: the cache is closed").waitFor();
});

test("odd names are shown as they are; filters by state and by text; the file that is exported is taken by another browser's cache", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open(world.options());
  const tasks = {};
  for (const key of ["apple", "pear", ODD]) {
    tasks[key] = await world.submit(page, { key, text: key });
  }
  await row(page, ODD, "Backed up").waitFor();
  const keys = () => page.locator("uplink-inspector .key").allTextContents();
  assert.deepEqual((await keys()).toSorted(), [ODD, "apple", "pear"].toSorted());

  const search = page.locator("uplink-inspector input");
  await search.fill("PEA");
  await row(page, "apple").waitFor({ state: "detached" });
  assert.deepEqual(await keys(), ["pear"]);
  await search.fill(tasks.apple.txId);
  await row(page, "apple").waitFor();
  assert.deepEqual(await keys(), ["apple"]);
  await search.press("Escape");
  await row(page, ODD).waitFor();
  const states = page.locator("uplink-inspector .states button");
  await states.filter({ hasText: "Failed" }).click();
  await page.getByText("No task fits the filter.").waitFor();
  await page.evaluate((id) => cache.cancel(id), tasks.apple.id);
  await row(page, "apple", "Failed").waitFor();
  assert.deepEqual(await keys(), ["apple"]);
  await states.filter({ hasText: "Backed up" }).click();
  await row(page, "pear").waitFor();
  assert.equal(
    (await states.allTextContents()).join(),
    "All3,Backed up2,Blocked0,Sent0,In a block0,Final0,Failed1",
  );

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("uplink-inspector .export").click(),
  ]);
  assert.match(download.suggestedFilename(), /^uplink-backup-\d{4}-\d\d-\d\d\.uplink$/);
  const file = (await readFile(await download.path())).toString("base64");
  const other = await (await world.openBrowser()).openPage({ path: "/inspector/" });
  await show(other, world.options());
  const imported = await other.evaluate(async (file) => {
    const bytes = Uint8Array.from(atob(file), (each) => each.charCodeAt(0));
    return cache.importBackup(new Blob([bytes]));
  }, file);
  assert.deepEqual([imported.imported, imported.refusedCount, imported.complete], [3, 0, true]);
  await row(other, ODD, "Backed up").waitFor();
});

/** Runs in the page: of each lane of the chart what its label begins with, and how many dots it has. */
function laneDots(lanes) {
  return lanes.map((lane) => [
    lane.getAttribute("aria-label").split(",")[0],
    lane.querySelectorAll("circle").length,
  ]);
}

/** Presses Tab until what has the focus is of this class. */
async function tabUntil(page, name) {
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press("Tab");
    if ((await focused(page)).split(" ")[0] === name) return;
  }
  assert.fail(`Tab does not come to ${name}`);
}

/** The class of what has the focus, and a row's key. */
function focused(page) {
  return page.evaluate(() => {
    const node = document.querySelector("uplink-inspector").shadowRoot.activeElement;
    const key = node?.querySelector(".key");
    return `${node?.className ?? ""}${key ? ` ${key.textContent}` : ""}`;
  });
}

/** Runs in the page. */
function hasFocus(wanted) {
  const node = document.querySelector("uplink-inspector").shadowRoot.activeElement;
  return `${node?.className} ${node?.querySelector(".key")?.textContent}` === wanted;
}

/** Runs in the page. */
function isEnabled(name) {
  const { shadowRoot } = document.querySelector("uplink-inspector");
  return !shadowRoot.querySelector(`.acts .${name}`).hasAttribute("aria-disabled");
}

async function disabled(page) {
  const names = await page
    .locator("uplink-inspector .acts [aria-disabled]")
    .evaluateAll((buttons) => buttons.map((button) => button.className));
  return names.join(" ");
}
