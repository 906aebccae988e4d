/** What counts as a frame where none is drawn: in a worker. */
const FRAME_MS = 16;
/** When a page that counts as visible is not drawn all the same: a frame of it that is out of sight, say. */
const NO_FRAME_MS = 250;

/** Calls back in the page's next frame; soon, where nothing is drawn. */
export function nextFrame(callback: () => void): void {
  const { document } = globalThis;
  if (document === undefined) setTimeout(callback, FRAME_MS);
  else if (document.visibilityState === "hidden") nextTurn(callback);
  else {
    const timer = setTimeout(once, NO_FRAME_MS);
    const request = requestAnimationFrame(once);
    function once() {
      clearTimeout(timer);
      cancelAnimationFrame(request);
      callback();
    }
  }
}

/** Timers of hidden pages are held back for a second, or a minute; messages are not. */
function nextTurn(callback: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    callback();
  };
  port2.postMessage(undefined);
}
