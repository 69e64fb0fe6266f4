// Functions of the package that need the WebAssembly, as those have them who may not have loaded it.

import { init as register, load as restore } from "#glue";
import { requireLoaded } from "#shell";

export async function init(options, callOptions) {
  requireLoaded("init");
  return await register(options, callOptions);
}

export function load(dump) {
  requireLoaded("load");
  return restore(dump);
}
