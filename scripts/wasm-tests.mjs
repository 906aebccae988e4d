// The tests of tests/browser in a browser: in a page, and in each kind of worker.
import { run, say, which } from "./lib.mjs";
import { toolsEnv } from "./setup.mjs";

const DRIVERS = {
  chromium: () => ["--chrome"],
  firefox: () => ["--firefox"],
  // To the test runner every WebKit is Safari.
  webkit: () => ["--safari", "--safaridriver", which("WebKitWebDriver")],
};

/** Where the tests run, each with the variable that tells the test runner. */
const MODES = {
  page: "WASM_BINDGEN_USE_BROWSER",
  "dedicated worker": "WASM_BINDGEN_USE_DEDICATED_WORKER",
  "shared worker": "WASM_BINDGEN_USE_SHARED_WORKER",
  "service worker": "WASM_BINDGEN_USE_SERVICE_WORKER",
};
export const modes = Object.keys(MODES);

const SLOW_MACHINE = {
  WASM_BINDGEN_TEST_TIMEOUT: "120",
  WASM_BINDGEN_TEST_DRIVER_TIMEOUT: "60",
};

/** One mode in one engine. Only the first compiles: the mode is no part of the build. */
export async function wasmTests(engine, mode, env) {
  const flags = ["--headless", ...DRIVERS[engine](), "--mode", "no-install"];
  return run("wasm-pack", ["test", ...flags, "--", "--test", "browser"], {
    env: { ...SLOW_MACHINE, ...env, ...(await toolsEnv()), [MODES[mode]]: "1" },
  });
}

/**
 * All modes in one engine, all of them even after one that failed. `count` says how many tests an output tells of: a mode in
 * which none ran has failed.
 */
export async function wasmTestsInEveryMode(engine, env, count) {
  let output = "";
  const failed = [];
  for (const mode of modes) {
    say(`test: in a ${mode}`);
    const told = await wasmTests(engine, mode, env).catch((error) => {
      console.error(error.message);
      failed.push(mode);
      return error.output ?? "";
    });
    const { passed, failed: broken } = count(told);
    say(`test: in a ${mode}: ${passed} passed, ${broken} failed`);
    if (passed === 0 && !failed.includes(mode)) failed.push(mode);
    output += told;
  }
  if (failed.length === 0) return output;
  throw Object.assign(new Error(`failed in a ${failed.join(", a ")}`), { output });
}
