// The libraries under test as one module for a page, with the package's entries for them. Nothing of the core is in it.
export { dehydrate, hydrate, QueryClient, QueryClientProvider } from "@tanstack/react-query";
export * as React from "react";
export { createRoot, hydrateRoot } from "react-dom/client";
export * as svelte from "svelte/store";
export * as uplinkQuery from "uplink-cache/query";
export * as uplinkReact from "uplink-cache/react";
export * as uplinkSvelte from "uplink-cache/svelte";
export * as uplinkVue from "uplink-cache/vue";
export * as vue from "vue";
export * from "./parts.js";
export * from "./queried.js";
