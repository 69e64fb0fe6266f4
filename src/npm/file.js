// The package as a page without a bundler imports it, by its address: the WebAssembly is a file beside
// it, which a browser compiles while it comes.

import { load, workWith } from "./load.js";

export * from "#glue";
export { initSync } from "./load.js";

export default function loadWasm(source) {
  return load(source, beside);
}

export function work(parts) {
  workWith(parts, beside);
}

function beside() {
  const address = new URL("distcompute_client_bg.wasm", import.meta.url);
  // Node's fetch reads no files. Not an import, which a browser would look for.
  const files = address.protocol === "file:" && globalThis.process?.getBuiltinModule?.("node:fs");
  return files ? files.promises.readFile(address) : address;
}
