import * as uplink from "uplink-cache";
import { live } from "./dapp.js";

addEventListener("message", ({ data: setup }) => {
  live(uplink, setup, (what, content) => postMessage([what, content]));
});
