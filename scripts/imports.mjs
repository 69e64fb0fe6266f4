// The names by which wasm-bindgen's JavaScript and wasm find each other. Each carries a hash, which
// cannot be compressed and stands in both files; here they become short ones.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Custom sections, among them names for debuggers, are not read. */
const importSection = 2;
const exportSection = 7;

/** Gives short names to what the wasm in `folder` imports and exports under a hash. */
export function shortenNames(folder) {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const wasm = files.find((file) => file.endsWith(".wasm"));
  const names = shortNames(readFileSync(wasm));
  writeFileSync(wasm, renamed(readFileSync(wasm), names));
  for (const file of files.filter((file) => /\.(js|d\.ts)$/.test(file))) {
    const text = readFileSync(file, "utf8");
    writeFileSync(
      file,
      text.replaceAll(/\w+/g, (word) => names.get(word) ?? word),
    );
  }
}

/** A short name for each with a hash: `$0`, `$1` and so on, which wasm-bindgen itself never uses. */
function shortNames(wasm) {
  const module = new WebAssembly.Module(wasm);
  const all = [...WebAssembly.Module.imports(module), ...WebAssembly.Module.exports(module)];
  const hashed = new Set(
    all.map(({ name }) => name).filter((name) => /_h?[0-9a-f]{16}/.test(name)),
  );
  return new Map([...hashed].map((name, index) => [name, `$${index.toString(36)}`]));
}

/** The wasm with other names. */
export function renamed(wasm, names) {
  const parts = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at];
    const { value: size, end: begin } = readNumber(wasm, at + 1);
    at = begin + size;
    let section = wasm.subarray(begin, at);
    if (id === importSection || id === exportSection) section = renamedIn(section, names);
    parts.push(Buffer.from([id, ...number(section.length)]), section);
  }
  return Buffer.concat(parts);
}

function renamedIn(section, names) {
  // One character for each byte.
  let text = section.toString("latin1");
  for (const [name, short] of names) text = text.replaceAll(counted(name), () => counted(short));
  return Buffer.from(text, "latin1");
}

/** A name as wasm has it: its length first, which is below 128. */
const counted = (name) => String.fromCharCode(name.length) + name;

/** A LEB128 number. */
function readNumber(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, end: at };
  }
}

function number(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}
