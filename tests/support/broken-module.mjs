// The shipped module with a trap in it: the rest of its code is what dapps get.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import binaryen from "binaryen";

const MODULE = fileURLToPath(new URL("../../dist/uplink_cache_bg.wasm", import.meta.url));
const CLOSURES = /^wasm_bindgen\w*_convert__closures/;
const ARMED = "armed";

/** The module in which this export's first instruction is a trap. */
export async function withTrapIn(name) {
  return change((module, functionOf) => {
    binaryen.Function(functionOf(name)).body = module.unreachable();
  });
}

/**
 * The module in which nothing is wrong until `peek` was called: from then on every closure traps, which is what the
 * browser calls when a promise, a timer, a commit or a message is there.
 */
export async function withTrapInClosuresAfterPeek() {
  return change((module, functionOf, names) => {
    module.addGlobal(ARMED, binaryen.i32, true, module.i32.const(0));
    binaryen.Function(functionOf("engine_peek")).body = module.block(
      null,
      [module.global.set(ARMED, module.i32.const(1)), module.ref.null(binaryen.externref)],
      binaryen.externref,
    );
    for (const closure of names.filter((name) => CLOSURES.test(name))) {
      const entry = binaryen.Function(functionOf(closure));
      const trap = module.if(module.global.get(ARMED, binaryen.i32), module.unreachable());
      entry.body = module.block(null, [trap, entry.body], entry.results);
    }
  });
}

async function change(edit) {
  const module = binaryen.readBinary(await readFile(MODULE));
  try {
    const exported = new Map();
    for (let n = 0; n < module.getNumExports(); n++) {
      const { name, value } = binaryen.getExportInfo(module.getExportByIndex(n));
      exported.set(name, value);
    }
    const functionOf = (name) => {
      if (!exported.has(name)) throw new Error(`the module has no export ${name}`);
      return module.getFunction(exported.get(name));
    };
    edit(module, functionOf, [...exported.keys()]);
    if (!module.validate()) throw new Error("the changed module is not valid");
    return Buffer.from(module.emitBinary());
  } finally {
    module.dispose();
  }
}
