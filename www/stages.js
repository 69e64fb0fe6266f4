// The computation of each stage, independent of trackers, workers and pages: a function from a job to
// its output, which reports its progress through the context.

import { decodeTimes, encodeBytes, encodeTimes } from "./tile.js";

/**
 * @typedef {typeof import("./kernel/mandelbrot.js")} Kernel
 * @typedef {import("./kernel/mandelbrot.js").Poster} Poster
 * @typedef {import("distcompute-client").Job} Job
 */

/**
 * @template Setup
 * @typedef {import("distcompute-client").WorkContext<Setup>} Context
 */

/** Interval between checkpoints, in milliseconds; a reload loses at most this much work. */
const checkpointEvery = 10_000;

/**
 * How many of a tile's samples a check recomputes. A tile in which every twentieth sample is wrong
 * passes with a probability of 4 %.
 */
const checked = 64;

/**
 * Stage a, Render: computes the escape time of each sample of a tile.
 *
 * @param {Job} job
 * @param {Context<{ Tile: Kernel["Tile"] }>} context
 */
function render(job, { setup: { Tile }, progress, invalid, checkpoint, restored }) {
  const tile = valid(() => new Tile(job.data), invalid);
  const times = new Uint16Array(tile.width * tile.height);
  let kept = performance.now();
  // The checkpoint of an earlier attempt in this browser, if there is one.
  times.set(restored ?? []);
  for (let row = (restored?.length ?? 0) / tile.width; row < tile.height; row += 1) {
    times.set(tile.row(row), row * tile.width);
    progress(row + 1, tile.height);
    if (performance.now() - kept < checkpointEvery) continue;
    kept = performance.now();
    checkpoint(times.slice(0, (row + 1) * tile.width));
  }
  return { tile: tile.index, times: encodeTimes(times) };
}

/**
 * Stage b, Check: verifies the output of stage a, which comes from an untrusted volunteer. The tile is
 * derived from the job's number and the poster's own parameters, and random samples are recomputed.
 *
 * @param {Job} job
 * @param {Context<{ poster: Poster }>} context
 */
function check(job, { setup: { poster }, progress, invalid }) {
  const index = job.id - 1;
  const tile = valid(() => poster.tile(index), invalid);
  const { tile: claimed, times: text } = Object(job.data);
  const times = decodeTimes(text);
  if (claimed !== index) return invalid(`this is not tile ${index}`);
  if (!times) return invalid("the times cannot be read");
  if (times.length !== tile.width * tile.height) return invalid("not one time a sample");
  for (let count = 1; count <= checked; count += 1) {
    const sample = Math.floor(Math.random() * times.length);
    if (tile.sample(sample) !== times[sample]) invalid(`sample ${sample} is wrong`);
    progress(count, checked);
  }
  return { tile: index, rgb: encodeBytes(poster.colour(index, times)) };
}

/**
 * Reports the job's data as invalid if `read` throws.
 *
 * @template T
 * @param {() => T} read
 * @param {(reason: string) => never} invalid
 */
function valid(read, invalid) {
  try {
    return read();
  } catch (error) {
    return invalid(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {Job} job
 * @param {Context<{ Tile: Kernel["Tile"], poster: Poster }>} context
 */
export function handler(job, context) {
  return job.stage === "a" ? render(job, context) : check(job, context);
}
