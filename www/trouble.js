// "Make trouble": the faults that a visitor can cause, to see what becomes of an entry.

import { offerConnection, offerReorg, onClick } from "./controls.js";
import { showNotice } from "./notices.js";

const REPLACEMENT = "I have overwritten this. (No, I have not: watch.)";
const UNDONE =
  "Other blocks stand in their place, without what was in them. Entries that were there go back to sent, and out again.";

/** Wires the controls. `sign(entry)` submits `{ key?, text }` and resolves with its task. */
export function offerTrouble({ cache, connection, sign, someoneElses, onConnection, onError }) {
  offerConnection({ connection, onConnection, onError });
  offerReorg({ what: UNDONE, onError });

  onClick("sign-and-reload", "Could not sign", {
    onError,
    async act() {
      await sign({ text: "Signed a moment before this page was reloaded." });
      location.reload();
    },
  });

  onClick("overwrite", "Could not sign", {
    onError,
    async act() {
      const key = someoneElses();
      if (key === undefined) {
        return showNotice(
          "Nobody else has signed",
          "Come in as another guest first, in a second tab.",
        );
      }
      await sign({ key, text: REPLACEMENT });
    },
  });

  onClick("destroy", "Could not delete the backup", {
    onError,
    async act() {
      await cache.destroy();
      location.reload();
    },
  });

  onClick("garbage", "The cache refused the payload", {
    onError,
    async act() {
      await cache.submit({ payload: "0xdeadbeef", key: "entry/garbage", value: { text: "?" } });
    },
  });
}
