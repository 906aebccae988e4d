// Reads a WebAssembly module: which functions it has, and how long they are.

const SECTION = { custom: 0, import: 2, code: 10 };
const KIND = { function: 0, table: 1, memory: 2, global: 3 };
/** In the section of names: those of functions. */
const FUNCTION_NAMES = 1;
const HEADER_BYTES = 8;

/** The functions of a module, with their names and the bytes of their bodies. */
export function functionsOf(module) {
  const reader = new Reader(module, HEADER_BYTES);
  const names = new Map();
  let imported = 0;
  const bodies = [];
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const section = reader.part(reader.number());
    if (id === SECTION.import) imported = countImportedFunctions(section);
    if (id === SECTION.code) section.list(() => bodies.push(section.skip(section.number())));
    if (id === SECTION.custom && section.text() === "name") readNames(section, names);
  }
  const nameOf = (index) => names.get(imported + index) ?? "(no name)";
  return bodies.map((bytes, index) => ({ name: nameOf(index), bytes }));
}

function countImportedFunctions(section) {
  let count = 0;
  section.list(() => {
    section.text();
    section.text();
    const kind = section.byte();
    if (kind === KIND.function) {
      count += 1;
      section.number();
    } else if (kind === KIND.global) {
      section.skip(2);
    } else {
      if (kind === KIND.table) section.byte();
      const hasMost = section.byte() & 1;
      section.number();
      if (hasMost) section.number();
    }
  });
  return count;
}

function readNames(section, names) {
  while (!section.isAtEnd) {
    const kind = section.byte();
    const part = section.part(section.number());
    if (kind === FUNCTION_NAMES) part.list(() => names.set(part.number(), part.text()));
  }
}

/** Reads the bytes of a WebAssembly module from their start on. */
class Reader {
  #bytes;
  #at;

  constructor(bytes, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd() {
    return this.#at >= this.#bytes.length;
  }

  byte() {
    return this.#bytes[this.#at++];
  }

  /** Unsigned LEB128. */
  number() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  skip(length) {
    this.#at += length;
    return length;
  }

  part(length) {
    const from = this.#at;
    this.#at += length;
    return new Reader(this.#bytes.subarray(from, this.#at));
  }

  text() {
    const length = this.number();
    const from = this.#at;
    this.#at += length;
    return this.#bytes.toString("utf8", from, this.#at);
  }

  list(each) {
    for (let left = this.number(); left > 0; left--) each();
  }
}
