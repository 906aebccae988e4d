// For a bundler that leaves `new URL(…, import.meta.url)` as it is, but gives the address of a file that is imported.
import * as uplink from "uplink-cache";
import wasm from "uplink-cache/uplink_cache_bg.wasm";
import { live } from "./dapp.js";
import { setup, show } from "./page.js";

live(uplink, { ...setup, wasm: new URL(wasm, import.meta.url) }, show);
