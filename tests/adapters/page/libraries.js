// The libraries under test as one module for a page, with the package's entries for them. Nothing of the core is in it.
export * as ethers from "ethers";
export * as viem from "viem";
export { privateKeyToAccount } from "viem/accounts";
export { foundry } from "viem/chains";
export { UplinkRpcError, uplinkProvider } from "../../../dist/provider.js";
export { uplinkTransport } from "../../../dist/viem.js";
