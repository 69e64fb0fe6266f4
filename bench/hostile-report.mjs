// The report on attacks: its figures and goals.

import { page, quantile, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ attack: string, store: string, honest_lost: number, p99_ratio: number,
 *   rss_mb: number | null, p99_ms: number, sink_p99_ms: number, honest_syncs: number,
 *   steps: number, statuses: Record<string, number>, notes: Record<string, number>,
 *   log_lines: number }} Figure
 */

const most = { p99_ratio: 3, rss_mb: 300 };

/**
 * @param {{ attack: string, store: string, sink: Run, tracker: Run }} measured runs with the same
 *   traffic, once to a sink and once to the tracker
 * @typedef {{ window: import("./hostile/honest.mjs").Window, lostLater: number, rss_mb?: number,
 *   log_lines: number, report: import("./hostile/attacker.mjs").Report }} Run
 * @returns {Figure}
 */
export function figureOf({ attack, store, sink, tracker }) {
  const p99 = ({ window }) => quantile(window.times, 0.99);
  const { window, lostLater, rss_mb, log_lines, report } = tracker;
  const rounded = (value, digits) => Number(value.toFixed(digits));
  return {
    ...{ attack, store, honest_lost: window.lost + lostLater },
    p99_ratio: rounded(p99(tracker) / p99(sink), 2),
    rss_mb: rss_mb ?? null,
    p99_ms: rounded(p99(tracker), 1),
    sink_p99_ms: rounded(p99(sink), 1),
    honest_syncs: window.syncs,
    ...report,
    log_lines,
  };
}

/** @param {Figure[]} figures */
export function goals(figures) {
  const largest = (name) => {
    const values = figures.map((figure) => figure[name]).filter((value) => value != null);
    return values.length ? Math.max(...values) : undefined;
  };
  return verdicts(
    [
      {
        what: "honest operations lost in all attacks",
        wanted: "0",
        of: () => figures.reduce((sum, one) => sum + one.honest_lost, 0),
        met: (value) => value === 0,
      },
      {
        what: "the largest p99 of honest syncs, by that beside a sink",
        wanted: `< ${most.p99_ratio}`,
        of: () => largest("p99_ratio"),
        met: (value) => value < most.p99_ratio,
      },
      {
        what: "the most memory of the tracker, MB",
        wanted: `< ${most.rss_mb}`,
        of: () => largest("rss_mb"),
        met: (value) => value < most.rss_mb,
      },
    ],
    figures,
  );
}

const heads = [
  ...["attack", "store", "attack was answered", "honest lost", "of syncs", "p99 by sink"],
  ...["p99, ms", "sink, ms", "MB", "lines of log"],
];

/** @param {Figure} one */
function row(one) {
  return [
    ...[one.attack, one.store, statusesText(one.statuses)],
    ...[one.honest_lost, one.honest_syncs, one.p99_ratio, one.p99_ms, one.sink_p99_ms].map(shown),
    ...[one.rss_mb, one.log_lines].map(shown),
  ];
}

/** The number of answers by status, as text. */
export function statusesText(statuses) {
  const all = Object.entries(statuses).map(([status, count]) => `${shown(count)} × ${status}`);
  return all.join(", ") || "nothing";
}

/**
 * @param {{ figures: Figure[], facts: string[], how: string[], about: Record<string, string>,
 *   everything: boolean }} found
 */
export function publish({ figures, facts, how, about, everything }) {
  const attacks = [...new Set(figures.map(({ attack }) => attack))];
  const meanings = attacks.map((attack) => [attack, about[attack]]);
  const tables = [table(heads, figures.map(row), 3), table(["attack", "what"], meanings, 2)];
  const title = "Attacks, and honest volunteers beside them";
  const text = page({ name: "hostile", title, tables, judged: goals(figures), facts, how });
  write({ name: "hostile", figures, text, everything });
}
