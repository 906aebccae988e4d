// Looks closely at what `watch`, `live` and `peek` give, and collects what must not be. Of the page's global `cache`.

/** Counted where frames are drawn; else it stands still. */
let frame = 0;
if (globalThis.requestAnimationFrame !== undefined) {
  const count = () => {
    frame += 1;
    requestAnimationFrame(count);
  };
  count();
}

export function drawnFrames() {
  return frame;
}

const text = (value) =>
  JSON.stringify(value, (_, each) => (each instanceof Uint8Array ? [...each] : each)) ?? "nothing";

/** Each call of a watcher, and what was wrong with it. */
export function watchClosely(query) {
  const calls = [];
  const faults = [];
  const stop = cache.watch(query, (page, previous) => {
    const last = calls.at(-1);
    const isDrawn = globalThis.document?.visibilityState === "visible";
    if (isDrawn && last?.isDrawn && last.frame === frame) faults.push(`twice in frame ${frame}`);
    if (previous !== last?.page) faults.push("the previous page is another one");
    faults.push(...faultsBetween(last?.page, page));
    calls.push({ page, frame, isDrawn });
  });
  return {
    calls,
    faults,
    stop,
    values: () => calls.map(({ page }) => page.items.map(({ value }) => value)),
    last: () => calls.at(-1)?.page,
  };
}

/** What must not be between two pages of one query, one after the other. */
function faultsBetween(before, page) {
  const faults = [];
  if (before && text(before) === text(page)) faults.push(`the same page again: ${text(page)}`);
  if (!Object.isFrozen(page) || !Object.isFrozen(page.items)) faults.push("a page is not frozen");
  const known = new Map(before?.items.map((item) => [item.key, item]));
  for (const item of page.items) {
    if (!Object.isFrozen(item)) faults.push("an entry is not frozen");
    const other = known.get(item.key);
    if (other && (text(other) === text(item)) !== (other === item)) {
      faults.push(
        `the object of ${item.key} changed, and it did not; or it did, and the object not`,
      );
    }
  }
  return faults;
}

/**
 * A store's reader as React's `useSyncExternalStore` is one: it asks twice, renders where the object is another one, and asks
 * in every frame besides, as renders for other reasons do.
 */
export function consume(live) {
  const { subscribe, getSnapshot } = live;
  const faults = [];
  let shown = getSnapshot();
  let renders = 0;
  let isTold = false;
  const look = () => {
    const snapshot = getSnapshot();
    if (snapshot !== getSnapshot()) faults.push("two snapshots at once");
    if (snapshot === shown) return;
    if (!isTold) faults.push("the snapshot changed, and nobody was told");
    if (snapshot === undefined) faults.push("the snapshot went away");
    else faults.push(...faultsBetween(shown, snapshot));
    shown = snapshot;
    renders += 1;
  };
  const stop = subscribe(() => {
    isTold = true;
    const before = renders;
    look();
    if (renders === before) faults.push("told of nothing");
    isTold = false;
  });
  const timer = setInterval(look, 5);
  return {
    faults,
    stop() {
      clearInterval(timer);
      stop();
    },
    renders: () => renders,
    shown: () => shown,
  };
}

/** More keys than `peek` remembers. */
const MORE_THAN_REMEMBERED = 20_001;
let fillers = 0;

/**
 * Peeks these keys again and again, and compares what is remembered with what the module says. With `inListeners` also in
 * the middle of telling what changed; that alone would hide what is not told.
 */
export function peekClosely(keys, { inListeners }) {
  const faults = [];
  const seen = new Map();
  const kinds = new Set();
  let comparisons = 0;
  let entries = 0;
  function look() {
    for (const key of keys) {
      const entry = cache.peek(key);
      if (entry !== cache.peek(key)) faults.push(`two objects of ${key} at once`);
      const known = seen.get(key);
      if (known !== undefined && known.entry === entry && known.text !== text(entry)) {
        faults.push(`the object of ${key} was changed`);
      }
      if (known?.entry !== undefined && known.entry !== entry && known.text === text(entry)) {
        faults.push(`another object of ${key}, and nothing changed: ${known.text}`);
      }
      seen.set(key, { entry, text: text(entry) });
    }
  }
  /** In one go, so that nothing can change in between. */
  function compare() {
    const remembered = keys.map((key) => cache.peek(key));
    for (let i = 0; i < MORE_THAN_REMEMBERED; i += 1) cache.peek(`filler/${fillers++}`);
    for (const [i, key] of keys.entries()) {
      const anew = cache.peek(key);
      if (text(remembered[i]) !== text(anew)) {
        faults.push(
          `of ${key} was remembered ${text(remembered[i])}, the module says ${text(anew)}`,
        );
      }
      if (anew === undefined) continue;
      entries += 1;
      kinds.add(`${anew.source}, ${anew.status}${anew.taskId ? ", a task's" : ""}`);
      if (anew === remembered[i]) faults.push(`what is compared of ${key} was remembered as well`);
    }
    seen.clear();
    comparisons += 1;
  }
  const timers = [setInterval(look, 20), setInterval(compare, 400)];
  const events = inListeners ? ["status", "reorg", "head"] : [];
  for (const name of events) cache.addEventListener(name, look);
  return {
    faults,
    compare,
    stop: () => timers.forEach(clearInterval),
    counts: () => ({ comparisons, entries, seen: [...kinds] }),
  };
}

/** Resolves when `check` holds; asked often. Rejects after a while. */
export async function until(check, what = String(check), timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  while (!check()) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    // Timers of a hidden page would make it wait for a second.
    await (globalThis.document?.visibilityState === "hidden" ? nextTurn() : wait(4));
  }
}

/** The event loop's next turn, sooner than any timer. */
export function nextTurn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
