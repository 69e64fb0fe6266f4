// What the owner's script has given to `work`. Bundled with it.

/** @type {unknown[]} */
export const captured = [];
