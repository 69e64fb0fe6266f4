// One job: throws points at a square, and counts those that hit the circle in it.

import { work } from "/client/distcompute_client.js";

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32), so that a job can be repeated. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

work((job, { progress }) => {
  const { seed, points } = job.data;
  const random = generator(seed);
  let hits = 0;
  for (let point = 0; point < points; point += 1) {
    if (random() ** 2 + random() ** 2 < 1) hits += 1;
    if (point % 100_000 === 0) progress(point, points);
  }
  return { points, hits };
});
