// The report on large databases and several trackers: its figures, its plot and its goals.

import { bars } from "./chart.mjs";
import { grouped, middle, page, sameKinds, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ store: string, what: string, few_per_s: number, many_per_s: number, ratio: number }} Figure
 * @typedef {{ store: string, connections: number, jobs_per_s: number, p50_ms: number, p99_ms: number,
 *   rss_mb: number, kb_each: number }} Connections
 * @typedef {{ trackers: number, jobs_per_s: number, trackers_s: number, database_s: number }} Trackers seconds
 *   of processor for 1,000 jobs
 */

/** The least rate at the larger database, as a share of that at the smaller one. */
const least = 0.85;

/** @param {Figure[]} figures */
export function goals(figures) {
  const goal = ({ store, what, ratio }) => ({
    what: `${store}, ${what}: with the larger database against the smaller one`,
    wanted: `≥ ${least}`,
    of: () => ratio,
    met: (value) => value >= least,
  });
  return verdicts(figures.map(goal), figures);
}

/**
 * The medians of the rounds with as many trackers.
 *
 * @param {Trackers[]} rounds
 */
export function summary(rounds) {
  return sameKinds(rounds, ({ trackers }) => [trackers]).map((same) => ({
    trackers: same[0].trackers,
    jobs_per_s: middle(same, "jobs_per_s", 0),
    trackers_s: middle(same, "trackers_s", 3),
    database_s: middle(same, "database_s", 3),
  }));
}

const rounded = (value, digits) => Number(value.toFixed(digits));

/**
 * @param {{ figures: Figure[], connections: Connections[], trackers: Trackers[], facts: string[], how: string[],
 *   everything: boolean }} found
 */
export function publish({ facts, how, everything, ...found }) {
  const figures = found.figures.map(({ store, what, ...one }) => ({
    ...{
      store,
      what,
      few_per_s: rounded(one.few_per_s, 1),
      many_per_s: rounded(one.many_per_s, 1),
    },
    ratio: rounded(one.ratio, 2),
  }));
  const connections = found.connections.map((one) => ({
    ...{ store: one.store, connections: one.connections, jobs_per_s: rounded(one.jobs_per_s, 0) },
    ...{ p50_ms: rounded(one.p50_ms, 1), p99_ms: rounded(one.p99_ms, 1) },
    ...{ rss_mb: rounded(one.rss_mb, 1), kb_each: rounded(one.kb_each, 1) },
  }));
  const trackers = summary(found.trackers);
  const tables = [];
  const add = (rows, heads, cells, left) => {
    if (rows.length > 0) tables.push(table(heads, rows.map(cells), left));
  };
  add(
    figures,
    ["store", "a second", "few jobs", "many jobs", "ratio"],
    (one) => [one.store, one.what, ...[one.few_per_s, one.many_per_s, one.ratio].map(shown)],
    2,
  );
  add(
    connections,
    ["store", "connections", "jobs/s", "p50 ms", "p99 ms", "MB", "KB each"],
    ({ store, ...rest }) => [store, ...Object.values(rest).map(shown)],
    1,
  );
  add(
    trackers,
    ["trackers", "jobs/s", "trackers, s for 1,000 jobs", "database, s for 1,000 jobs"],
    (one) => Object.values(one).map(shown),
    0,
  );
  const title = "Ten million jobs, and more than one tracker";
  const text = page({ name: "size", title, tables, judged: goals(figures), facts, how });
  const files = trackers.length > 0 ? { "size.svg": plot(trackers) } : {};
  write({
    name: "size",
    figures: [...figures, ...connections, ...trackers],
    text,
    everything,
    files,
  });
}

/** @param {ReturnType<typeof summary>} trackers */
export function plot(trackers) {
  return bars({
    title: "Processor time for 1,000 jobs on one PostgreSQL",
    unit: "seconds",
    groups: trackers.map(({ trackers: count, trackers_s, database_s }) => ({
      name: count === 1 ? "1 tracker" : `${grouped(count)} trackers`,
      values: [trackers_s, database_s],
    })),
    names: ["trackers", "database"],
  });
}
