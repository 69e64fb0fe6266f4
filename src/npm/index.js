// The package as bundlers, Node, Deno and Bun import it by its name. It carries its WebAssembly as text,
// because no two tools agree on how a package refers to a file that is no script.

import { load, workWith } from "./load.js";
// Written by `npm run build`, and apart, so that bundles which only call `work` leave it out.
import { wasm } from "./wasm.js";

export * from "#glue";
export { initSync } from "./load.js";

export default function loadWasm(source) {
  return load(source, unpacked);
}

export function work(parts) {
  workWith(parts);
}

async function unpacked() {
  const bytes = Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).arrayBuffer();
}
