// Functions of the package that need the WebAssembly, as those have them who may not have loaded it.

import { Volunteer as Loaded, init as register, load as restore } from "#glue";
import { requireLoaded } from "#bindings";

export async function init(options, callOptions) {
  requireLoaded("init");
  return await register(options, callOptions);
}

export function load(dump) {
  requireLoaded("load");
  return restore(dump);
}

export class Volunteer extends Loaded {
  constructor(options) {
    requireLoaded("new Volunteer");
    super(options);
  }
}
