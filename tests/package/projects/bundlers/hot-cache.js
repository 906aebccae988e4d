import { evm, openCache } from "uplink-cache";
import { setup } from "./page.js";

export const edition = "before";
export const cache = await openCache({
  name: "hot",
  gateway: evm({ urls: [setup.gateway], chainId: 31337, pollMs: 50 }),
});
