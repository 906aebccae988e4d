// Compiles a contract of `contracts/` offline with npm's solc.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCES = new URL("../../contracts/", import.meta.url);

/** `{ abi, bytecode }` of the contract in the file of its name; a compiler error or warning is thrown. */
export async function compileContract(name) {
  // solc is CommonJS, takes a second to load, and is wanted by those alone who compile.
  const solc = createRequire(import.meta.url)("solc");
  const file = `${name}.sol`;
  const input = {
    language: "Solidity",
    sources: { [file]: { content: await readFile(new URL(file, SOURCES), "utf8") } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length > 0) {
    throw new Error(output.errors.map((error) => error.formattedMessage).join("\n"));
  }
  const { abi, evm } = output.contracts[file][name];
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}
