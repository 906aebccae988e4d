// A screen that nobody sees, for a browser that has no headless mode of its own.
import { spawn } from "node:child_process";

const START_TIMEOUT_MS = 30_000;

/** Starts Xvfb on a free display, for this machine alone. `env` is what a program needs to draw on it; `stop()` ends it. */
export async function startScreen() {
  const args = ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"];
  const child = spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  const killAtExit = () => child.kill("SIGKILL");
  process.once("exit", killAtExit);
  async function stop() {
    child.kill("SIGTERM");
    await ended;
    process.off("exit", killAtExit);
  }
  try {
    const display = await displayOf(child, ended);
    // WebKit draws in software, and neither asks nor keeps anything of a desktop.
    const software = { WEBKIT_DISABLE_COMPOSITING_MODE: "1", LIBGL_ALWAYS_SOFTWARE: "1" };
    const noDesktop = {
      GSETTINGS_BACKEND: "memory",
      NO_AT_BRIDGE: "1",
      MESA_SHADER_CACHE_DISABLE: "true",
    };
    return { env: { DISPLAY: `:${display}`, ...software, ...noDesktop }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Xvfb writes the number of the display that it took once it serves it. */
function displayOf(child, ended) {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (why) => reject(new Error(`Xvfb ${why}`));
    const timer = setTimeout(() => fail("did not start in time"), START_TIMEOUT_MS);
    child.stdio[3].setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      if (!text.endsWith("\n")) return;
      clearTimeout(timer);
      resolve(Number(text));
    });
    ended.then(() => {
      clearTimeout(timer);
      fail("ended at start");
    });
  });
}
