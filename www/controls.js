// What both rooms offer to make trouble with: buttons that act once at a time, the connection's switch, and a reorg.

import { byId } from "./dom.js";
import { showNotice } from "./notices.js";

/** Enables a button, and has it act; `title` says what was being done, should it fail. */
export function onClick(id, title, { act, onError }) {
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

/** The switch shows what the server says, and cuts and restores this guest's connection. */
export function offerConnection({ connection, onConnection, onError }) {
  const connectionSwitch = byId("connection");

  function show() {
    const shown = `${connection.isConnected}`;
    if (connectionSwitch.getAttribute("aria-checked") === shown) return;
    connectionSwitch.setAttribute("aria-checked", shown);
    onConnection(connection.isConnected);
  }

  onClick("connection", "The switch did not answer", {
    onError,
    async act() {
      await connection.setConnected(!connection.isConnected);
      show();
    },
  });
  // Other tabs of this guest share the session: it may have changed when one comes back to this one.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) return;
    await connection.refresh();
    show();
  });
  show();
}

/** Undoes the chain's newest blocks; `what` tells what that means here. */
export function offerReorg({ what, onError }) {
  onClick("reorg", "Could not reorganise the chain", {
    onError,
    async act() {
      const response = await fetch("/reorg", { method: "POST" });
      if (!response.ok) throw new Error(await response.text());
      const { depth } = await response.json();
      showNotice(`The chain’s last ${depth} blocks are undone`, what);
    },
  });
}
