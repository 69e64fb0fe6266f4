// The loader, which the published package has as its default export.

import loadWasm from "distcompute-client";

export async function load(module: WebAssembly.Module): Promise<void> {
  await loadWasm();
  await loadWasm({ module_or_path: module });
}
