// Goes on with what the edited modules give, while the cache of the edition before stays open: nobody closes it.
import { cache } from "./hot-cache.js";
import { title } from "./hot-title.js";
import { setup, show } from "./page.js";

show("title", title);
const task = await cache.submit({ payload: setup.payload, key: "entry/1", value: { title } });
show("submitted", cache.peek("entry/1"));
task.settled.then((outcome) => show("settled", outcome));

import.meta.hot.accept("./hot-title.js", (edited) => {
  show("edited-title", { title: edited.title, entry: cache.peek("entry/1") });
});

import.meta.hot.accept("./hot-cache.js", async (edited) => {
  const entry = await edited.cache.read("entry/1");
  const later = await edited.cache.submit({ payload: setup.later, key: "entry/2", value: {} });
  const { value, source } = await cache.read("entry/2", { latest: true });
  const leaders = [cache, edited.cache].filter((each) => each.stats().leader).length;
  const isOther = edited.cache !== cache;
  show("edited-cache", {
    edition: edited.edition,
    isOther,
    leaders,
    entry,
    seen: { value, source },
  });
  show("settled-later", await later.settled);
});
