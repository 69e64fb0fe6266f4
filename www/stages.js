// What one job of each stage computes. Nothing here knows of trackers, workers or pages: a job comes
// in, an output goes out, and `progress` is told how far it is.

import { decodeTimes, encodeBytes, encodeTimes } from "./tile.js";

/**
 * @typedef {typeof import("./kernel/mandelbrot.js")} Kernel
 * @typedef {import("./kernel/mandelbrot.js").Poster} Poster
 * @typedef {{ number: number, data: unknown }} Job
 * @typedef {(done: number, total: number) => Promise<void> | void} Progress
 */

/** The job's input cannot be right: it goes back to the stage that made it. */
export class InvalidInput extends Error {}

/**
 * How many of a tile's samples a check computes again. One that is wrong in every twentieth sample
 * passes four checks in a hundred.
 */
const checked = 64;

/**
 * Stage a, Render: how long each sample of a tile takes to escape.
 *
 * @param {{ Tile: Kernel["Tile"] }} project
 * @param {Job} job
 * @param {Progress} progress
 */
async function render({ Tile }, job, progress) {
  const tile = valid(() => new Tile(job.data));
  const times = new Uint16Array(tile.width * tile.height);
  for (let row = 0; row < tile.height; row += 1) {
    times.set(tile.row(row), row * tile.width);
    await progress(row + 1, tile.height);
  }
  return { tile: tile.index, times: encodeTimes(times) };
}

/**
 * Stage b, Check: believes nothing that stage a says. Which tile it is follows from the job's
 * number, what the tile is from the poster's own parameters, and a random sample is computed again.
 *
 * @param {{ poster: Poster }} project
 * @param {Job} job
 * @param {Progress} progress
 */
async function check({ poster }, job, progress) {
  const index = job.number - 1;
  const tile = valid(() => poster.tile(index));
  const { tile: claimed, times: text } = Object(job.data);
  const times = decodeTimes(text);
  if (claimed !== index) throw new InvalidInput(`this is not tile ${index}`);
  if (!times) throw new InvalidInput("the times cannot be read");
  if (times.length !== tile.width * tile.height) throw new InvalidInput("not one time a sample");
  for (let count = 1; count <= checked; count += 1) {
    const sample = Math.floor(Math.random() * times.length);
    if (tile.sample(sample) !== times[sample]) throw new InvalidInput(`sample ${sample} is wrong`);
    await progress(count, checked);
  }
  return { tile: index, rgb: encodeBytes(poster.colour(index, times)) };
}

/**
 * @template T
 * @param {() => T} read
 */
function valid(read) {
  try {
    return read();
  } catch (error) {
    throw new InvalidInput(error instanceof Error ? error.message : String(error));
  }
}

export const stages = { a: render, b: check };
