// The client as the script under trial gets it: `work` keeps what it is given, for `runJob`. Bundled with it.

import { captured } from "./captured.js";

export * from "distcompute-client";
export { default } from "distcompute-client";

/** @param {unknown} parts */
export function work(parts) {
  captured.push(parts);
}
