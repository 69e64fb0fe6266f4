// scripts/imports.mjs: short names in the package, the same ones in its wasm and its JavaScript.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { shortenNames } from "../../scripts/imports.mjs";

const imported = ["one", "two", "three"].map((name) => `__wbg_${name}_0123456789abcdef`);
const exported = "wasm_bindgen__convert__closures_____invoke__h292d5955c3af4ad0";

const text = (name) => [name.length, ...Buffer.from(name)];

function section(id, ...content) {
  const bytes = content.flat(Infinity);
  const size =
    bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return [id, ...size, ...bytes];
}

/** A wasm that imports three functions and exports one that calls the last of them. */
const wasm = Buffer.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...section(1, 1, 0x60, 0, 1, 0x7f),
  ...section(2, 3, ...imported.map((name) => [text("./package_bg.js"), text(name), 0, 0])),
  ...section(3, 1, 0),
  ...section(7, 2, text("plain"), 0, 3, text(exported), 0, 3),
  ...section(10, 1, 4, 0, 0x10, 2, 0x0b),
]);

test("names with a hash become short ones, the same in the wasm and in what calls it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "imports-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name) => join(folder, name);
  writeFileSync(file("package_bg.wasm"), wasm);
  writeFileSync(
    file("package.js"),
    `${imported.map((name, index) => `export const ${name} = () => ${index};`).join("\n")}
export const call = (wasm) => [wasm.${exported}(), wasm.plain()];`,
  );
  writeFileSync(file("package_bg.wasm.d.ts"), `export const ${exported}: () => number;`);
  shortenNames(folder);
  for (const name of ["package_bg.wasm", "package.js", "package_bg.wasm.d.ts"]) {
    assert.doesNotMatch(readFileSync(file(name), "latin1"), /[0-9a-f]{16}/, name);
  }
  const { call, ...imports } = await import(file("package.js"));
  const module = new WebAssembly.Module(readFileSync(file("package_bg.wasm")));
  const instance = new WebAssembly.Instance(module, { "./package_bg.js": imports });
  assert.deepEqual(call(instance.exports), [2, 2]);
});
