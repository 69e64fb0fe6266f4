// The computation of each stage: from the file that a job names to the file of its result. All of it is in the
// kernels.

/**
 * @typedef {import("distcompute-client").Job<{ file?: unknown }>} Job
 * @typedef {Pick<typeof import("crawl"), "extract" | "clean" | "identify" | "sign" | "pack">} Kernel
 * @typedef {Pick<import("distcompute-client").WorkContext<Kernel>, "setup" | "invalid" | "put">} Context
 */

const lines = "application/x-ndjson";

/** What each stage does with its file, and what type the file of its result has. */
const steps = {
  a: /** @type {const} */ ({ name: "extract", type: lines }),
  b: /** @type {const} */ ({ name: "clean", type: lines }),
  c: /** @type {const} */ ({ name: "identify", type: lines }),
  d: /** @type {const} */ ({ name: "sign", type: lines }),
  e: /** @type {const} */ ({ name: "pack", type: "application/gzip" }),
};

/** No piece is larger, and no stage writes more. */
const mostBytes = 12 * 2 ** 20;

/**
 * @param {Job} job
 * @param {Context} context
 */
export async function handler(job, { setup: kernel, invalid, put }) {
  const { name, type } = steps[job.stage];
  let output;
  try {
    output = kernel[name](await input(job));
  } catch (error) {
    // The file of stage a is the project's own. The others come from volunteers.
    if (job.stage === "a") throw error;
    return invalid(error instanceof Error ? error.message : String(error));
  }
  return { file: await put(output, { type }) };
}

/** @param {Job} job */
async function input(job) {
  const file = await job.file(Object(job.data).file);
  if (file.size > mostBytes) throw new Error(`the file is larger than ${mostBytes} bytes`);
  return new Uint8Array(await file.arrayBuffer());
}
