// The report on slow and lossy connections: its figures and goals.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../scripts/places.mjs";
import { median, page, shown, table, verdicts, write } from "./figures.mjs";
import { quiet } from "./lines-plan.mjs";

/**
 * @typedef {{ direction: "down" | "up", kb: number, mbit: number, delay_ms: number, loss: number,
 *   share_of_line: number | null, share_of_jobs: number | null, five_calls: number | null, jobs: number, done: number | null,
 *   granted: number | null, wire: number | null, plain_kb_s: number, bound_kb_s: number, side_by_side: number,
 *   measured: string, load: number }} Figure
 */

const least = 0.8;

/** @param {Figure[]} figures */
export function goals(figures) {
  const ours = figures.filter(({ share_of_line: share }) => share !== null);
  const goal = (direction) => ({
    what: `the least share of any line, ${direction}`,
    wanted: `≥ ${least}`,
    of: () => {
      const shares = ours.filter((one) => one.direction === direction);
      return shares.length ? Math.min(...shares.map((one) => one.share_of_line)) : undefined;
    },
    met: (value) => value >= least,
  });
  return verdicts([goal("down"), goal("up")], figures);
}

const unique = (figures, name) => [...new Set(figures.map((one) => one[name]))];

/** The lowest share by job size and bandwidth, over all delays and loss rates. */
export function overview(figures, direction) {
  const ours = figures.filter((one) => one.direction === direction && one.share_of_line !== null);
  const rates = unique(ours, "mbit");
  const cell = (kb, mbit) => {
    const shares = ours.filter((one) => one.kb === kb && one.mbit === mbit);
    return shares.length ? shown(Math.min(...shares.map(({ share_of_line: share }) => share))) : "";
  };
  return table(
    [`least share, ${direction}`, ...rates.map((mbit) => `${mbit} Mbit/s`)],
    unique(ours, "kb").map((kb) => [`${shown(kb)} kB`, ...rates.map((mbit) => cell(kb, mbit))]),
    1,
  );
}

const heads = [
  ...["way", "kB a job", "Mbit/s", "delay, ms", "loss", "share of the line", "in bytes of jobs"],
  ...["five calls", "jobs", "grants a job", "on the wire", "bound, kB/s"],
];

/** @param {Figure} one */
function row(one) {
  const grants = one.granted === null ? null : Number((one.granted / one.jobs).toFixed(2));
  return [
    ...[one.direction, shown(one.kb), shown(one.mbit), shown(one.delay_ms), `${100 * one.loss} %`],
    ...[shown(one.share_of_line), shown(one.share_of_jobs), shown(one.five_calls)],
    ...[shown(one.jobs), shown(grants)],
    ...[shown(one.wire), shown(one.bound_kb_s)],
  ];
}

/** Summarises cells, grouped by bandwidth and loss rate. */
function grouped(missing) {
  const lines = new Map();
  for (const { direction, kb, mbit, loss } of missing) {
    const line = `${mbit} Mbit/s with a loss of ${100 * loss} %`;
    lines.set(line, (lines.get(line) ?? new Set()).add(`${direction} ${shown(kb)} kB`));
  }
  return [...lines].map(([line, jobs]) => `${line}: ${[...jobs].join(", ")}`);
}

/**
 * Describes how the figures were measured.
 *
 * @param {{ figures: Figure[], missing: import("./lines-plan.mjs").Cell[], seconds: number, seed: number,
 *   add?: boolean }} run `add`: earlier runs have measured some of the figures
 */
export function howText({ figures, missing, seconds, seed, add = false }) {
  const of = (is) => figures.filter(({ side_by_side: beside }) => is(beside));
  const load = (some) => median(some.map((one) => one.load)).toFixed(1);
  const [together, alone] = [of((beside) => beside > 1), of((beside) => beside === 1)];
  const how = [
    `${add ? "In the latest run, a" : "A"} line is kept busy for ${seconds} s, for ${2 * seconds} s where packets are lost, and for three ` +
      `jobs at least. The plain transfer takes as long and is made once for each line. Losses have ` +
      `the seed ${seed}.`,
  ];
  if (together.length > 0)
    how.push(
      `${together.length} cells whose line brings ${quiet.jobs} jobs and ${quiet.bytes / 1_000} kB a ` +
        `second at most were measured ${unique(together, "side_by_side").join(" or ")} side by side, ` +
        `each with a tracker, a line and a page of its own; ${load(together)} processes wanted a core ` +
        `meanwhile (median).`,
    );
  if (alone.length > 0)
    how.push(
      `${alone.length} cells were measured one at a time; ${load(alone)} processes wanted a core ` +
        `meanwhile (median).`,
    );
  const days = unique(figures, "measured");
  const on = (day) => `${figures.filter(({ measured }) => measured === day).length} on ${day}`;
  if (days.length > 1)
    how.push(`The cells were measured on several days: ${days.map(on).join(", ")}.`);
  if (missing.length > 0)
    how.push(`Not measured: ${missing.length} cells. ${grouped(missing).join("; ")}.`);
  return how;
}

/** The figures in bench/results. @returns {Figure[]} */
export function published() {
  return JSON.parse(readFileSync(join(root, "bench", "results", "lines.json"), "utf8"));
}

/** @param {{ figures: Figure[], facts: string[], how: string[], everything: boolean }} found */
export function publish({ figures, facts, how, everything }) {
  const judged = goals(figures);
  const overviews = unique(figures, "direction").map((direction) => overview(figures, direction));
  const tables = [...overviews, table(heads, figures.map(row), 1)];
  const title = "Jobs over lines";
  const text = page({ name: "lines", title, tables, judged, facts, how });
  write({ name: "lines", figures, text, everything });
}
