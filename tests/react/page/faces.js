// Puts the libraries and the faces on `faces` for page.evaluate, with what a page can do better than Node.

import * as libraries from "/react/libraries.js";

const { React, createRoot } = libraries;

/** Renders into a new element; `caught` are the errors that a boundary took, which React would put on the console. */
function mount(element, { isStrict = true } = {}) {
  const container = document.body.appendChild(document.createElement("div"));
  const caught = [];
  const root = createRoot(container, { onCaughtError: (error) => caught.push(error) });
  const render = (next) =>
    root.render(isStrict ? React.createElement(React.StrictMode, null, next) : next);
  render(element);
  return { container, caught, render, unmount: () => root.unmount() };
}

const textOf = (id) => document.getElementById(id)?.textContent;

/** Resolves with what `check` gives, once that is truthy: looked at now and after every change of the page's elements. */
function shown(check) {
  return new Promise((resolve) => {
    const look = () => {
      const result = check();
      if (!result) return;
      observer.disconnect();
      resolve(result);
    };
    const observer = new MutationObserver(look);
    observer.observe(document, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
    look();
  });
}

/** Resolves once the element of this id shows this text. */
const shows = (id, text) => shown(() => textOf(id) === text);

/** Resolves once TanStack Query's client fetches nothing for this query. */
function idle(client, queryKey) {
  return new Promise((resolve) => {
    const look = () => {
      if (client.getQueryState(queryKey).fetchStatus !== "idle") return;
      stop();
      resolve();
    };
    const stop = client.getQueryCache().subscribe(look);
    look();
  });
}

/** Counts who listens to live queries of a cache, from now on; `until(count)` resolves once so many do. */
function countListeners(cache) {
  const waiting = new Set();
  const counted = {
    listening: 0,
    lives: 0,
    until: (count) =>
      new Promise((resolve) => {
        const look = () => counted.listening === count && resolve(count);
        waiting.add(look);
        look();
      }),
  };
  const count = (change) => {
    counted.listening += change;
    for (const look of waiting) look();
  };
  const { live } = cache;
  cache.live = (query) => {
    const made = live.call(cache, query);
    counted.lives += 1;
    const { subscribe } = made;
    made.subscribe = (listener) => {
      const stop = subscribe(listener);
      count(1);
      let isStopped = false;
      return () => {
        if (!isStopped) count(-1);
        isStopped = true;
        stop();
      };
    };
    return made;
  };
  return counted;
}

globalThis.faces = { ...libraries, countListeners, idle, mount, shown, shows, textOf };
