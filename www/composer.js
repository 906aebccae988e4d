// The form that an entry is written in.

import { byId, setText } from "./dom.js";
import { accountColours, milliseconds, shortHex } from "./format.js";
import { storedOnce } from "./storage.js";

const NAMES = [
  "Wren",
  "Juniper",
  "Milo",
  "Saskia",
  "Teo",
  "Ines",
  "Basil",
  "Nora",
  "Otis",
  "Linnea",
];

/** Wires the form for `account`. `sign({ text })` resolves with how long the backup took. */
export function openComposer({ account, storageName, sign, onError }) {
  const form = byId("compose");
  const name = byId("name");
  const text = byId("text");
  const receipt = byId("receipt");

  name.value = storedOnce(storageName, () => NAMES[Math.floor(Math.random() * NAMES.length)]);
  setText(byId("signer"), shortHex(account.address));
  byId("signer").title = account.address;
  byId("signer-avatar").style.background = accountColours(account.address);
  byId("sign").disabled = false;

  const showRemaining = () => setText(byId("count"), `${text.maxLength - text.value.length}`);
  text.addEventListener("input", showRemaining);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
  });
  name.addEventListener("change", () => localStorage.setItem(storageName, authorName()));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = text.value.trim();
    if (words === "") return text.focus();
    try {
      const { durationMs } = await sign({ text: words });
      text.value = "";
      showRemaining();
      setText(
        receipt,
        `Backed up in ${milliseconds(durationMs)}. From here on you may close this tab.`,
      );
    } catch (error) {
      setText(receipt, "");
      onError("Could not sign", error);
    }
    text.focus();
  });

  function authorName() {
    return name.value.trim() || "Somebody";
  }

  return { authorName };
}
