// What a volunteer's browser does with a job. It runs in web workers, one for each core.

import { work } from "distcompute-client";

// Made by wasm-pack from kernel/src/lib.rs.
import loadKernel, { longest } from "./kernel/pkg/kernel.js";

/** The kernel is called for so many numbers at a time: some milliseconds. */
const piece = 10_000;

work({
  // Once in each core, before its first job.
  setup: () => loadKernel(),

  handler({ data: { from, to } }, { progress }) {
    let best = { start: from, steps: 0 };
    for (let begin = from; begin < to; begin += piece) {
      const end = Math.min(begin + piece, to);
      const [start, steps] = longest(begin, end);
      if (steps > best.steps) best = { start, steps };
      progress(end - from, to - from); // also lets the volunteer pause and stop this core
    }
    return best;
  },
});
