// Looks at the chain once a block: is it reachable, how high is it, how many keys does the guestbook have?

/**
 * Calls `onLook({ head, count })` after each look that succeeded and `onLost()` after each that did not,
 * while the page is visible. Returns `look()`, which looks at once.
 */
export function watchChain({ registry, everyMs, onLook, onLost }) {
  let timer;

  async function look() {
    clearTimeout(timer);
    try {
      const [head, count] = await Promise.all([registry.client.getBlockNumber(), registry.count()]);
      onLook({ head: Number(head), count });
    } catch {
      onLost();
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, everyMs);
  }

  document.addEventListener("visibilitychange", look);
  look();
  return look;
}
