// What is published of lines: which figures, which goals.

import { page, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ direction: "down" | "up", kb: number, mbit: number, delay_ms: number, loss: number,
 *   share_of_line: number | null, five_calls: number | null, jobs: number, done: number | null,
 *   granted: number | null, plain_kb_s: number, bound_kb_s: number }} Figure
 */

const least = 0.8;

/** @param {Figure[]} figures */
function goals(figures) {
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

const heads = [
  ...["way", "kB a job", "Mbit/s", "delay, ms", "loss", "share of the line", "five calls"],
  ...["jobs", "grants a job", "bound, kB/s"],
];

/** @param {Figure} one */
function row(one) {
  const grants = one.granted === null ? null : Number((one.granted / one.jobs).toFixed(2));
  return [
    ...[one.direction, shown(one.kb), shown(one.mbit), shown(one.delay_ms), `${100 * one.loss} %`],
    ...[shown(one.share_of_line), shown(one.five_calls), shown(one.jobs), shown(grants)],
    shown(one.bound_kb_s),
  ];
}

/** @param {{ figures: Figure[], facts: string[], how: string[], everything: boolean }} found */
export function publish({ figures, facts, how, everything }) {
  const judged = goals(figures);
  const tables = [table(heads, figures.map(row), 1)];
  const title = "Jobs over lines";
  const text = page({ name: "lines", title, tables, judged, facts, how });
  write({ name: "lines", figures, text, everything });
}
