// The loader, which is the default export of the published package.

import loadWasm from "distcompute-client";

export async function load(module: WebAssembly.Module): Promise<void> {
  await loadWasm();
  await loadWasm({ module_or_path: module });
}
