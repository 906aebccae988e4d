// The package's inspector in a drawer: fetched when it is first opened, and gone from the page while it is closed.

import { byId } from "./dom.js";

/** Wires the button that opens and closes the drawer, and Escape in it. */
export function offerInspector({ cache, onError }) {
  const [button, drawer] = [byId("inspect"), byId("drawer")];
  let inspector;

  async function open() {
    button.disabled = true;
    try {
      await import("uplink-cache/inspector");
      inspector = document.createElement("uplink-inspector");
      inspector.cache = cache;
      drawer.append(inspector);
      show(true);
      drawer.focus();
    } catch (error) {
      onError("The inspector could not be loaded", error);
    }
    button.disabled = false;
  }

  function close() {
    inspector.remove();
    inspector = undefined;
    show(false);
    button.focus();
  }

  function show(isOpen) {
    drawer.hidden = !isOpen;
    button.setAttribute("aria-expanded", `${isOpen}`);
  }

  button.addEventListener("click", () => (inspector === undefined ? open() : close()));
  byId("close-drawer").addEventListener("click", close);
  drawer.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") close();
  });
  button.disabled = false;
}
