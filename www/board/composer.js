// The form that a post is written in.

import { byId, setText } from "../dom.js";
import { accountColours, milliseconds, shortHex } from "../format.js";

/** Wires the form for `account`. `send(text)` resolves once the post is backed up. */
export function openComposer({ account, send, onError }) {
  const form = byId("compose");
  const text = byId("text");
  const receipt = byId("receipt");

  setText(byId("signer"), shortHex(account.address));
  byId("signer").title = account.address;
  byId("signer-avatar").style.background = accountColours(account.address);
  byId("post").disabled = false;

  const showRemaining = () => setText(byId("count"), `${text.maxLength - text.value.length}`);
  text.addEventListener("input", showRemaining);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = text.value.trim();
    if (words === "") return text.focus();
    const startedAt = performance.now();
    try {
      await send(words);
      const took = milliseconds(performance.now() - startedAt);
      text.value = "";
      showRemaining();
      setText(receipt, `Backed up in ${took}, to be signed when its turn comes.`);
    } catch (error) {
      setText(receipt, "");
      onError("Could not post", error);
    }
    text.focus();
  });
}
