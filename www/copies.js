// The backup as a file: saved to disk, and brought in again.

import { byId, element } from "./dom.js";
import { showNotice } from "./notices.js";

/** Wires the two controls. `tell` adds a line to "What happened". */
export function offerCopies({ cache, tell, onError }) {
  byId("save-copy").addEventListener("click", async () => {
    try {
      const file = await cache.exportBackup();
      const url = URL.createObjectURL(file);
      element("a", { href: url, download: "guestbook.uplink" }).click();
      URL.revokeObjectURL(url);
      tell("a copy of what is not final was saved");
    } catch (error) {
      onError("Could not save a copy", error);
    }
  });

  byId("bring-in").addEventListener("change", async ({ target }) => {
    const [file] = target.files;
    if (file === undefined) return;
    try {
      const { imported, known, refusedCount } = await cache.importBackup(file);
      showNotice(
        "The copy is brought in",
        `${imported} tasks are new here, ${known} were here already, ${refusedCount} were refused.`,
      );
    } catch (error) {
      onError("Could not bring that file in", error);
    }
    target.value = "";
  });
}
