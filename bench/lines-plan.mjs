// Which lines and jobs are measured, which of them at the same time, and for how long.

import { expectedRate, onWire } from "../tests/lines/cell.mjs";

/** @typedef {import("../tests/lines/cell.mjs").Cell} Cell */

/**
 * What one cell may bring in a second, in jobs and bytes, for others to be measured beside it: this
 * takes a few hundredths of a core.
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

/** Whether a cell takes so little of the machine that others may be measured at the same time. */
export function isQuiet(cell) {
  const rate = expectedRate(cell);
  return rate <= quiet.bytes && rate <= 1_000 * cell.kb * quiet.jobs * onWire[cell.direction];
}

/** How long a line is kept busy: where packets are lost, chance needs more of them to even out. */
export function secondsOf({ loss }, seconds) {
  return loss > 0 ? 2 * seconds : seconds;
}

/** The line of a cell, whatever it carries. */
export function lineOf({ direction, mbit, delay_ms, loss }) {
  return { direction, mbit, delay_ms, loss };
}

/** A cell or a line in words that are the same for no other. */
export function nameOf({ direction, kb, mbit, delay_ms, loss }) {
  const line = `${direction}, ${mbit} Mbit/s, ${delay_ms} ms, loss ${100 * loss} %`;
  return kb === undefined ? line : `${line}, ${kb} kB`;
}

/** Those that take longest first, so that none of them is left alone in the end. */
export function longestFirst(all) {
  const threeS = ({ kb, ...line }) => (3_000 * kb) / expectedRate(line);
  return [...all].sort((one, other) => threeS(other) - threeS(one));
}

/** The cells of a run of everything that have no figure. */
export function without(wanted, figures) {
  const known = new Set(figures.map(nameOf));
  return cells(wanted).filter((cell) => !known.has(nameOf(cell)));
}

/** Does `act` to each, so many at a time. */
export async function sideBySide(all, count, act) {
  const rest = [...all];
  const lane = async () => {
    while (rest.length > 0) await act(rest.shift());
  };
  await Promise.all(Array.from({ length: count }, lane));
}
