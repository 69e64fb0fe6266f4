// Selects the connections and jobs to measure, which of them can run in parallel, and for how long.

import { expectedRate, onWire } from "../tests/lines/cell.mjs";

/** @typedef {import("../tests/lines/cell.mjs").Cell} Cell */

/**
 * The limits per second for a cell that is measured in parallel with others. At these rates it uses a
 * few hundredths of a core.
 */
export const quiet = { jobs: 50, bytes: 500_000 };

/** @returns {Cell[]} */
export function cells({ directions, kb, mbit, delays, losses }) {
  const all = [];
  for (const direction of directions)
    for (const one of kb)
      for (const rate of mbit)
        for (const delay_ms of delays)
          for (const loss of losses) all.push({ direction, kb: one, mbit: rate, delay_ms, loss });
  return all;
}

/** Whether a cell uses so little processor time that others can be measured at the same time. */
export function isQuiet(cell) {
  const rate = expectedRate(cell);
  return rate <= quiet.bytes && rate <= 1_000 * cell.kb * quiet.jobs * onWire[cell.direction];
}

/** The duration of a measurement. With packet loss it is longer, to average out the randomness. */
export function secondsOf({ loss }, seconds) {
  return loss > 0 ? 2 * seconds : seconds;
}

/** The connection of a cell, without the size of its jobs. */
export function lineOf({ direction, mbit, delay_ms, loss }) {
  return { direction, mbit, delay_ms, loss };
}

/** A unique name for a cell or a connection. */
export function nameOf({ direction, kb, mbit, delay_ms, loss }) {
  const line = `${direction}, ${mbit} Mbit/s, ${delay_ms} ms, loss ${100 * loss} %`;
  return kb === undefined ? line : `${line}, ${kb} kB`;
}

/** Sorts by decreasing duration, so that no long measurement is left for the end. */
export function longestFirst(all) {
  const threeS = ({ kb, ...line }) => (3_000 * kb) / expectedRate(line);
  return [...all].sort((one, other) => threeS(other) - threeS(one));
}

/** The cells without a figure. */
export function without(wanted, figures) {
  const known = new Set(figures.map(nameOf));
  return cells(wanted).filter((cell) => !known.has(nameOf(cell)));
}

/** The figures of the wanted cells, in their order: the new one of each cell, or else the old one. */
export function merged(wanted, old, fresh) {
  const figures = new Map([...old, ...fresh].map((figure) => [nameOf(figure), figure]));
  return cells(wanted).flatMap((cell) => figures.get(nameOf(cell)) ?? []);
}

/** Calls `act` for each element, `count` at a time. */
export async function sideBySide(all, count, act) {
  const rest = [...all];
  const lane = async () => {
    while (rest.length > 0) await act(rest.shift());
  };
  await Promise.all(Array.from({ length: count }, lane));
}

/**
 * What a cell brings over its line against what the line carries, both in bytes on the wire: around a small job
 * there is as much again of leases and names. Where the same jobs are slower without a line, that is the bound.
 *
 * @param {import("../tests/lines/cell.mjs").Cell} cell
 * @param {{ rate: number, wire: number, plain: number, unshaped?: number }} measured bytes of jobs in a second; bytes
 *   on the wire for each of them; and the bounds, in bytes of jobs in a second
 */
export function shareOnWire({ direction }, { rate, wire, plain, unshaped = Infinity }) {
  const around = Math.max(1, wire / onWire[direction]);
  return Number(((rate * around) / Math.min(plain, unshaped * around)).toFixed(2));
}
