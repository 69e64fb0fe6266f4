// Defines the element `distcompute-volunteer`.

import { DistcomputeVolunteer } from "./panel.js";

export { DistcomputeVolunteer };
export { languages } from "./words.js";

const name = "distcompute-volunteer";

// A page may load the panel twice, and servers that render pages have no elements.
if (globalThis.customElements && !customElements.get(name)) {
  customElements.define(name, DistcomputeVolunteer);
}
