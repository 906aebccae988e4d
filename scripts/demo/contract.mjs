// Compiles contracts/Registry.sol offline with npm's solc.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = new URL("../../contracts/Registry.sol", import.meta.url);

/** `{ abi, bytecode }` of the registry; a compiler error or warning is thrown. */
export async function compileRegistry() {
  // solc is CommonJS, takes a second to load, and is wanted by those alone who compile.
  const solc = createRequire(import.meta.url)("solc");
  const input = {
    language: "Solidity",
    sources: { "Registry.sol": { content: await readFile(SOURCE, "utf8") } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length > 0) {
    throw new Error(output.errors.map((error) => error.formattedMessage).join("\n"));
  }
  const { abi, evm } = output.contracts["Registry.sol"].Registry;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}
