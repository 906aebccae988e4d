// A dapp's usual service worker, at its smallest: the page itself comes from a cache when the network does not give it.

const CACHE = "page";
const FILES = ["/", "/page.js", "/dist/index.js", "/dist/uplink_cache_bg.wasm"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  if (new URL(event.request.url).origin !== location.origin) return;
  event.respondWith(
    fetch(event.request).catch(() => caches.match(event.request, { ignoreSearch: true })),
  );
});
