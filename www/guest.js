// Who looks at the page. Each guest has an account and a backup of their own.

import { byId } from "./dom.js";

/** The guest's name. `?guest=another` makes one up, and keeps it over reloads. */
export function guestOfPage() {
  const url = new URL(location.href);
  if (url.searchParams.get("guest") === "another") {
    url.searchParams.set("guest", crypto.randomUUID().slice(0, 8));
    history.replaceState(null, "", url);
  }
  byId("second-tab").href = url.href;
  for (const room of document.querySelectorAll(".rooms a")) room.search = url.search;
  return url.searchParams.get("guest") ?? "first";
}
