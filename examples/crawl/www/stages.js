// The computation of each stage: a function from a job to its output. All of it is in the kernels; here
// bytes become JSON and JSON becomes bytes.

import { decodeBase64, encodeBase64 } from "./base64.js";

/**
 * @typedef {import("distcompute-client").Job} Job
 * @typedef {Pick<typeof import("crawl"), "extract" | "clean" | "identify" | "sign" | "pack">} Kernel
 * @typedef {Pick<import("distcompute-client").WorkContext<Kernel>, "setup" | "invalid">} Context
 */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Stages a to d give the lines of the next stage, and stage e the shard.
 *
 * @param {Job} job
 * @param {Context} context
 */
export function handler({ stage, data }, { setup: kernel, invalid }) {
  const { bytes, lines } = Object(data);
  if (stage === "a") return { lines: decoder.decode(kernel.extract(piece(bytes))) };
  // From here on, the input is what another volunteer has sent.
  if (typeof lines !== "string") return invalid("the output of the stage before has no lines");
  const input = encoder.encode(lines);
  const step = new Map([
    ["b", kernel.clean],
    ["c", kernel.identify],
    ["d", kernel.sign],
  ]).get(stage);
  try {
    if (step) return { lines: decoder.decode(step(input)) };
    return { shard: encodeBase64(kernel.pack(input)) };
  } catch (error) {
    return invalid(error instanceof Error ? error.message : String(error));
  }
}

/** @param {unknown} text */
function piece(text) {
  const bytes = decodeBase64(text);
  if (!bytes) throw new Error("The job has no piece of an archive: make jobs with crawl jobs.");
  return bytes;
}
