// Answers how many turns of `spin` go into a millisecond.

import { spin } from "./job.js";

const longMs = 100;

function timed(turns) {
  const since = performance.now();
  spin(turns);
  return performance.now() - since;
}

let turns = 1000;
// Long before it is long enough to be measured it is compiled as well as it will ever be.
while (timed(turns) < longMs) turns *= 2;
const times = Array.from({ length: 5 }, () => timed(turns)).sort((one, other) => one - other);
postMessage(turns / times[2]);
