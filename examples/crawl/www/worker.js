// The example's worker script: what each core loads at its start, and how it computes a job.

import { work } from "./pkg/distcompute_client.js";
import loadKernel, * as kernel from "./kernel/crawl.js";
import { handler } from "./stages.js";

work({ setup, handler });

async function setup() {
  await loadKernel();
  return kernel;
}
