// The documentation site as it is built: complete, without a request to anybody else, readable without JavaScript, accessible.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorCodes, statusChanges } from "../../docs/tools/table.mjs";
import { docs } from "../../scripts/docs.mjs";
import { launch, temporaryProfile } from "../support/browser.mjs";
import { serve } from "../support/server.mjs";

const SITE = fileURLToPath(new URL("../../docs/site", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [1200, 360];

let pages;
let site;
let browser;
let profile;

before(async () => {
  pages = await docs();
  site = await serve({ routes: { "/": SITE } });
  profile = await temporaryProfile();
  browser = await launch({ profile: profile.path });
});

after(async () => {
  await browser?.close();
  await profile?.remove();
  await site?.close();
});

const html = (name) => readFileSync(join(SITE, `${name}.html`), "utf8");
const all = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** A page of the browser that is closed with the test. */
async function openPage(t, options) {
  const own = options && (await browser.context.browser().newContext(options));
  const page = await (own ?? browser.context).newPage();
  t.after(() => (own ?? page).close());
  return page;
}

test("every link and every anchor leads somewhere", () => {
  const ids = new Map(pages.map((name) => [name, new Set(all(html(name), / id="([^"]+)"/g))]));
  let count = 0;
  for (const name of pages) {
    assert.equal(all(html(name), / id="([^"]+)"/g).length, ids.get(name).size, `${name}: ids`);
    for (const href of all(html(name), /<a\b[^>]* href="([^"]+)"/g)) {
      if (/^https?:/.test(href)) continue;
      const { pathname, hash } = new URL(href, `http://site/${name}.html`);
      const target = pathname.slice(1).replace(/\.html$/, "");
      assert.ok(ids.has(target), `${name}: ${href}`);
      const anchor = decodeURIComponent(hash.slice(1));
      assert.ok(anchor === "" || ids.get(target).has(anchor), `${name}: ${href}`);
      count += 1;
    }
  }
  assert.ok(count > 500, `${count} links`);
});

test("every page can be reached, and asks nobody but its own server for anything", async (t) => {
  const page = await openPage(t);
  const asked = [];
  const failed = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("response", (response) => response.ok() || failed.push(response.url()));
  page.on("console", (message) => message.type() === "error" && failed.push(message.text()));
  page.on("pageerror", (error) => failed.push(String(error)));
  await page.goto(`${site.url}/index.html`);
  const linked = await page.$$eval(".side a", (links) => links.map(({ href }) => href));
  const names = linked.map((href) => new URL(href).pathname.slice(1).replace(".html", ""));
  assert.deepEqual([...names, "index"].sort(), [...pages].sort());
  for (const href of linked) await page.goto(href, { waitUntil: "load" });
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(site.url)),
    [],
  );
  assert.deepEqual(failed, []);
});

test("without JavaScript all of a page is there", async (t) => {
  const page = await openPage(t);
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setScriptExecutionDisabled", { value: true });
  await page.goto(`${site.url}/how-it-works.html`);
  assert.equal(await page.locator("#tools > *").count(), 0, "no script ran");
  assert.ok(await page.getByRole("heading", { name: "A task's life" }).isVisible());
  const state = page.locator(".life .state .name", { hasText: "included" });
  assert.ok(await state.isVisible());
  await page.getByRole("link", { name: "Getting started" }).first().click();
  await page.getByRole("heading", { name: "Getting started", level: 1 }).waitFor();
});

test("axe finds nothing wrong with any page, light and dark", async (t) => {
  const page = await openPage(t);
  for (const name of pages) {
    await page.goto(`${site.url}/${name}.html`);
    await page.evaluate(AXE);
    for (const [at, colorScheme] of ["light", "dark"].entries()) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width: WIDTHS[at], height: 800 });
      const { violations, passes } = await page.evaluate("axe.run()");
      const found = violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target)]);
      assert.deepEqual(found, [], `${name}, ${colorScheme}`);
      assert.ok(
        passes.some(({ id }) => id === "color-contrast"),
        `${name}: axe looked`,
      );
    }
  }
});

test("no page is wider than a phone", async (t) => {
  const page = await openPage(t);
  await page.setViewportSize({ width: 360, height: 800 });
  for (const name of pages) {
    await page.goto(`${site.url}/${name}.html`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${name} is ${width} wide`);
  }
});

test("a search finds names and headings, by keyboard, and a theme that was chosen stays", async (t) => {
  const page = await openPage(t);
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(`${site.url}/index.html`);
  await page.keyboard.press("/");
  await page.keyboard.type("quota_exceeded");
  const found = page.locator("#found a").first();
  await found.waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/errors\.html#quota_exceeded$/);
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
});

test("every error code has its cure, and every export and member of the main entry stands in the reference", () => {
  const page = html("errors");
  for (const { code } of errorCodes()) {
    assert.match(page, new RegExp(`id="${code}".*?What to do`, "s"), code);
  }
  const declared = readFileSync(new URL("../../js/index.ts", import.meta.url), "utf8");
  const names = all(declared, /export (?:type )?\{(.*?)\}/gs)
    .flatMap((list) => list.split(","))
    .map((name) => name.replace("type ", "").split(" as ").at(-1).trim())
    .filter((name) => name !== "");
  const reference = html("api/core");
  for (const name of names) assert.match(reference, new RegExp(`id="${name}"`), name);
  for (const name of ["submit", "read", "watch", "exportBackup"]) {
    assert.match(reference, new RegExp(`id="Cache.${name}"`));
  }
});

test("the diagram of a task's life has the arrows of the core's table, and no other", () => {
  const page = html("how-it-works");
  const drawn = [...page.matchAll(/data-from="([^"]+)" data-to="([^"]+)"/g)].map(
    ([, from, to]) => `${from} → ${to}`,
  );
  const table = statusChanges().map(({ from, to }) => `${from} → ${to}`);
  assert.deepEqual(drawn.sort(), table.sort());
  assert.ok(table.includes("included → sent"), "a reorg is among them");
});
