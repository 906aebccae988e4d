// "Make trouble": the faults that a visitor can cause, to see what becomes of an entry.

import { byId } from "./dom.js";
import { showNotice } from "./notices.js";

const REPLACEMENT = "I have overwritten this. (No, I have not: watch.)";

/** Wires the controls. `sign(entry)` submits `{ key?, text }` and resolves with its task. */
export function offerTrouble({ cache, connection, sign, someoneElses, onConnection, onError }) {
  const connectionSwitch = byId("connection");

  function showConnection() {
    const shown = `${connection.isConnected}`;
    if (connectionSwitch.getAttribute("aria-checked") === shown) return;
    connectionSwitch.setAttribute("aria-checked", shown);
    onConnection(connection.isConnected);
  }

  function onClick(id, title, act) {
    const button = byId(id);
    button.disabled = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act();
      } catch (error) {
        onError(title, error);
      }
      button.disabled = false;
      button.focus();
    });
  }

  onClick("connection", "The switch did not answer", async () => {
    await connection.setConnected(!connection.isConnected);
    showConnection();
  });

  onClick("sign-and-reload", "Could not sign", async () => {
    await sign({ text: "Signed a moment before this page was reloaded." });
    location.reload();
  });

  onClick("overwrite", "Could not sign", async () => {
    const key = someoneElses();
    if (key === undefined) {
      return showNotice(
        "Nobody else has signed",
        "Come in as another guest first, in a second tab.",
      );
    }
    await sign({ key, text: REPLACEMENT });
  });

  onClick("reorg", "Could not reorganise the chain", async () => {
    const response = await fetch("/reorg", { method: "POST" });
    if (!response.ok) throw new Error(await response.text());
    const { depth } = await response.json();
    showNotice(
      `The chain’s last ${depth} blocks are undone`,
      "Other blocks stand in their place, without what was in them. Entries that were there go back to sent, and out again.",
    );
  });

  onClick("destroy", "Could not delete the backup", async () => {
    await cache.destroy();
    location.reload();
  });

  onClick("garbage", "The cache refused the payload", async () => {
    await cache.submit({ payload: "0xdeadbeef", key: "entry/garbage", value: { text: "?" } });
  });

  // Other tabs of this guest share the session: the switch shows what the server says when one comes back to a tab.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) return;
    await connection.refresh();
    showConnection();
  });
  showConnection();
}
