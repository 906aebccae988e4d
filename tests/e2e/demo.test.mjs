// `npm start` as a stranger would use it: one command, a page, and nothing left when it ends.

import assert from "node:assert/strict";
import { launch, temporaryProfile } from "../support/browser.mjs";
import { startDemo } from "../support/demo.mjs";
import { test } from "./fixture.mjs";

test(
  "npm start: an entry is there at once, outlives a kill while cut off, is final, and another guest reads it from the chain",
  async (t) => {
    const demo = await startDemo(t);
    const profile = await temporaryProfile();
    t.after(profile.remove);
    const first = await launch({ profile: profile.path });
    t.after(first.close);
    const page = await first.context.newPage();
    await page.goto(demo.url);
    await sign(page, "Written in a test.");
    assert.match(await badge(page, "Written in a test."), /backup/);
    await until(page, "Written in a test.", "included");

    await page.click("#connection");
    await sign(page, "Written with the cable out.");
    await until(page, "Written with the cable out.", "backed-up");
    await first.kill();
    const second = await launch({ profile: profile.path });
    t.after(second.close);
    const reopened = await second.context.newPage();
    await reopened.goto(demo.url);
    await until(reopened, "Written with the cable out.", "final");
    assert.match(await badge(reopened, "Written with the cable out."), /from chain/);

    const guest = await second.context.newPage();
    await guest.goto(new URL("/?guest=another", demo.url).href);
    await until(guest, "Written with the cable out.", "included");
    assert.match(await badge(guest, "Written with the cable out."), /from chain/);

    demo.process.kill("SIGINT");
    const [code] = await demo.ended;
    assert.equal(code, 0);
    await assert.rejects(fetch(demo.url), "the page's server is gone");
    await assert.rejects(fetch(demo.chain), "the chain is gone");
  },
  { timeoutMs: 180_000 },
);

test(
  "npm start: a copy of the backup is saved, the backup is deleted under every tab, and the copy is brought in and settles",
  async (t) => {
    const demo = await startDemo(t);
    const profile = await temporaryProfile();
    t.after(profile.remove);
    const browser = await launch({ profile: profile.path });
    t.after(browser.close);
    const page = await browser.context.newPage();
    await page.goto(demo.url);
    await page.waitForSelector("#connection:enabled");
    await page.click("#connection");
    await sign(page, "Only in this browser.");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByText("Save a copy", { exact: true }).click(),
    ]);
    const other = await browser.context.newPage();
    await other.goto(demo.url);
    await until(other, "Only in this browser.", "backed-up");

    await Promise.all([page.waitForEvent("load"), page.click("#destroy")]);
    await other.locator(".notice", { hasText: "storage_unavailable" }).waitFor();
    await page.waitForSelector("#sign:enabled");
    assert.equal(await page.locator(".entry", { hasText: "Only in this browser." }).count(), 0);
    await page.setInputFiles("#bring-in", await download.path());
    await until(page, "Only in this browser.", "backed-up");
    await page.click("#connection");
    await until(page, "Only in this browser.", "final");
  },
  { timeoutMs: 180_000 },
);

test(
  "npm start: on the board a post stays in its place while the chain takes it and the indexer lags, edits and likes show at once, and a like that fails is told",
  async (t) => {
    const demo = await startDemo(t);
    const profile = await temporaryProfile();
    t.after(profile.remove);
    const browser = await launch({ profile: profile.path });
    t.after(browser.close);
    const page = await browser.context.newPage();
    await page.goto(new URL("/board.html", demo.url).href);
    await page.waitForSelector("#post:enabled");
    await page.locator(".post", { hasText: "This board reads the chain" }).waitFor();
    await page.locator("#lag").fill("20");
    await page.fill("#text", "First of mine.");
    await page.click("#post");
    await page.locator(".post", { hasText: "First of mine." }).waitFor();
    await page.evaluate(watchPlace, "First of mine.");

    await untilPost(page, { text: "First of mine.", from: "entry", status: "final" });
    await page.locator("#lag").fill("0");
    await untilPost(page, { text: "First of mine.", from: "row|both" });
    assert.deepEqual(await page.evaluate("places"), [0], "it was at the top all the time");

    const own = page.locator(".post").first();
    const heart = own.locator(".like");
    await page.click("#connection");
    await page.locator("#connection[aria-checked=false]").waitFor();
    await own.getByRole("button", { name: "Edit" }).click();
    await own.locator("textarea").fill("Edited with the cable out.");
    await own.getByRole("button", { name: "Save" }).click();
    await untilPost(page, { text: "Edited with the cable out.", status: "backed-up" });
    await heart.click();
    await own.locator(".like[data-pending=true]", { hasText: "1" }).waitFor();
    await page.click("#connection");
    await untilPost(page, {
      text: "Edited with the cable out.",
      from: "row|both",
      status: "final|indexed",
    });
    await own.locator(".like[data-pending=false]", { hasText: "1" }).waitFor();

    await page.fill("#text", "Second of mine.");
    await page.click("#post");
    await untilPost(page, { text: "Second of mine.", status: "final|indexed" });
    await page.click("#like-twice");
    await page.locator(".notice", { hasText: "did not make it" }).waitFor({ timeout: 60_000 });
    await own.locator(".like", { hasText: "1" }).waitFor();
  },
  { timeoutMs: 240_000 },
);

/** Runs in the page: notes each place in the list at which the post was, and that it was nowhere. */
function watchPlace(text) {
  const list = document.querySelector("#posts");
  globalThis.places = [];
  const note = () => {
    const place = [...list.children].findIndex((post) => post.textContent.includes(text));
    if (globalThis.places.at(-1) !== place) globalThis.places.push(place);
  };
  note();
  new MutationObserver(note).observe(list, { childList: true, subtree: true, characterData: true });
}

function untilPost(page, { text, from = "", status = "" }) {
  return page.waitForFunction(
    ([text, from, status]) =>
      [...document.querySelectorAll(".post")].some(
        (post) =>
          post.textContent.includes(text) &&
          (from === "" || from.split("|").includes(post.dataset.from)) &&
          (status === "" || status.split("|").includes(post.dataset.status)),
      ),
    [text, from, status],
    { timeout: 90_000 },
  );
}

async function sign(page, text) {
  await page.waitForSelector("#sign:enabled");
  await page.fill("#text", text);
  await page.click("#sign");
  await page.locator(".entry", { hasText: text }).waitFor();
}

function until(page, text, status) {
  return page.waitForFunction(
    ([text, status]) =>
      [...document.querySelectorAll("#entries > li")].some(
        (entry) => entry.textContent.includes(text) && entry.dataset.status === status,
      ),
    [text, status],
    { timeout: 60_000 },
  );
}

function badge(page, text) {
  return page.locator("#entries > li", { hasText: text }).locator(".badge").textContent();
}
