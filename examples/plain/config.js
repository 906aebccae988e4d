export const rpcUrl = "http://127.0.0.1:8545";
export const chainId = 31337;
