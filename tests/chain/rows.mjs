// Runs a table of behaviours: each row is a test, and its line names the promises that it checks.
//
// A row is `{ name, promises, does, comes }`: `does(scene)` makes it happen and gives what was seen; `comes` is what must
// be in that: values that are deeply equal, patterns that match, or functions that accept. Further fields of a row are
// options of its scene. Rows of a table that is shared act in one scene, one after the other, each with an account of its
// own; the others have a chain and a page of their own.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { test } from "../e2e/fixture.mjs";
import { launch, temporaryProfile } from "../support/browser.mjs";
import { createScene } from "./scene.mjs";

const ROW_TIMEOUT_MS = 150_000;

/** Runs the rows in one browser. */
export function runRows(rows, { isShared = false } = {}) {
  const names = new Set(rows.map(({ name }) => name));
  assert.equal(names.size, rows.length, "no two rows have the same name");
  let browser;
  let profile;
  before(async () => {
    profile = await temporaryProfile();
    browser = await launch({ profile: profile.path });
  });
  after(async () => {
    await browser?.close();
    await profile?.remove();
  });
  const scenes = isShared ? sharedScenes() : freshScenes();
  for (const [index, row] of rows.entries()) {
    const { name, promises, does, comes, ...options } = row;
    test(
      `promise ${promises.join(", ")} · ${name}`,
      async (t) => {
        const scene = await scenes.open(t, index, { browser, ...options });
        check(await does(scene), comes);
        await scene.checkAlways();
        scenes.passed();
      },
      { timeoutMs: ROW_TIMEOUT_MS },
    );
  }
}

function freshScenes() {
  return { open: (t, _, options) => createScene(t, options), passed() {} };
}

/** One scene for all rows, until one fails: what that leaves behind must not make others fail. */
function sharedScenes() {
  let scene;
  let end;
  let isClean = true;
  async function close() {
    const [each, steps] = [scene, end];
    scene = undefined;
    if (each) await steps();
  }
  after(close);
  return {
    async open(_, index, options) {
      if (!isClean) await close();
      if (!scene) {
        const steps = [];
        end = async () => {
          for (const step of steps) await step();
        };
        scene = await createScene({ after: (step) => steps.push(step) }, options);
      }
      isClean = false;
      return scene.withAccount(index);
    },
    passed() {
      isClean = true;
    },
  };
}

/** Everything that must come is in what was seen. */
function check(seen, comes) {
  for (const [key, expected] of Object.entries(comes)) {
    const value = seen[key];
    const what = `${key} in ${JSON.stringify(seen)}`;
    if (expected instanceof RegExp) assert.match(String(value), expected, what);
    else if (typeof expected === "function")
      assert.ok(expected(value, seen), `${expected}: ${what}`);
    else assert.deepEqual(value, expected, what);
  }
}
