import * as uplink from "uplink-cache/service-worker";
import { live } from "./dapp.js";

const { backgroundSync, evm } = uplink;
backgroundSync(({ name }) => ({
  name,
  gateway: evm({ urls: ["http://127.0.0.1:1"], chainId: 1 }),
}));

addEventListener("message", (event) => {
  const [port] = event.ports;
  const tell = (what, content) => port.postMessage([what, content]);
  event.waitUntil(live(uplink, event.data, tell));
});
