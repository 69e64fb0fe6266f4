// The report on the tracker: its figures and goals.

import {
  grouped,
  known,
  middle,
  page,
  sameKinds,
  shown,
  table,
  verdicts,
  write,
} from "./figures.mjs";

/** @typedef {{ store: string, jobs: number, calls: string, jobs_per_s: number,
 *   p50_ms: number | null, p99_ms: number | null, rss_mb: number | null }} Figure */

/**
 * Returns one figure for each kind of run: the medians of its rounds, and the peak memory.
 *
 * @param {Figure[]} rounds
 * @returns {Figure[]}
 */
export function summary(rounds) {
  return sameKinds(rounds, ({ calls, store, jobs }) => [calls, store, jobs]).map((same) => {
    const { store, jobs, calls } = same[0];
    const memory = known(same, "rss_mb");
    return {
      ...{ store, jobs, calls, jobs_per_s: middle(same, "jobs_per_s", 1) },
      ...{ p50_ms: middle(same, "p50_ms", 2), p99_ms: middle(same, "p99_ms", 2) },
      rss_mb: memory.length ? Math.max(...memory) : null,
    };
  });
}

const million = 1_000_000;

/** The goals on a machine with two cores, which the load generator shares. */
const goals = [
  perSecond("old", "sqlite", 4_000),
  perSecond("old", "postgres", 2_000),
  perSecond("sync", "sqlite", 15_000),
  ...["sqlite", "postgres"].flatMap((store) => ["old", "sync"].map((calls) => flat(calls, store))),
  {
    what: "10,000 volunteers, a sync every 10 s each: p99",
    wanted: "< 50 ms",
    of: (find) => find("volunteers", "sqlite")?.p99_ms,
    met: (value) => value < 50,
  },
  {
    what: "10,000 volunteers: memory of the tracker",
    wanted: "< 200 MB",
    of: (find) => find("volunteers", "sqlite")?.rss_mb,
    met: (value) => value < 200,
  },
  perSecond("import", "sqlite", 100_000),
  ...["sqlite", "postgres"].map(ofFloor),
];

function perSecond(calls, store, least) {
  return {
    what: `${calls}, ${store}, 1,000,000 jobs: jobs/s`,
    wanted: `≥ ${grouped(least)}`,
    of: (find) => find(calls, store, million)?.jobs_per_s,
    met: (value) => value >= least,
  };
}

function flat(calls, store) {
  return {
    what: `${calls}, ${store}: jobs/s with 1,000,000 jobs against 10,000`,
    wanted: "≥ 0.9",
    of: (find) => {
      const [large, small] = [million, 10_000].map((jobs) => find(calls, store, jobs)?.jobs_per_s);
      return large && small ? large / small : undefined;
    },
    met: (value) => value >= 0.9,
  };
}

function ofFloor(store) {
  return {
    what: `sync, ${store}, 1,000,000 jobs: jobs/s against the floor`,
    wanted: "≥ 0.5",
    of: (find) => {
      const [sync, floor] = ["sync", "floor"].map(
        (calls) => find(calls, store, million)?.jobs_per_s,
      );
      return sync && floor ? sync / floor : undefined;
    },
    met: (value) => value >= 0.5,
  };
}

/**
 * Evaluates the goals for which this run has figures.
 *
 * @param {Figure[]} figures
 */
export function judged(figures) {
  const find = (calls, store, jobs) =>
    figures.find(
      (one) =>
        one.calls === calls && one.store === store && (jobs === undefined || one.jobs === jobs),
    );
  return verdicts(goals, find);
}

/** The rate relative to the baseline with the same number of jobs. */
function ratio({ calls, jobs, jobs_per_s }, figures) {
  const other = figures.find((one) => one.calls === "random claim" && one.jobs === jobs);
  if (!other || !["old", "sync"].includes(calls)) return "";
  const times = jobs_per_s / other.jobs_per_s;
  return times < 10 ? times.toFixed(1) : grouped(Math.round(times));
}

/**
 * Returns the report as Markdown.
 *
 * @param {{ figures: Figure[], facts: string[], how: string[] }} found
 */
export function report({ figures, facts, how }) {
  const rows = figures.map((one) => [
    ...[one.calls, one.store, shown(one.jobs), shown(one.jobs_per_s), ratio(one, figures)],
    ...[shown(one.p50_ms), shown(one.p99_ms), shown(one.rss_mb)],
  ]);
  const heads = ["calls", "store", "jobs", "jobs/s", "× random claim", "p50 ms", "p99 ms", "MB"];
  const tables = [table(heads, rows, 2)];
  const title = "How fast the tracker is";
  return page({ name: "tracker", title, tables, judged: judged(figures), facts, how });
}

/** @param {{ figures: Figure[], facts: string[], how: string[], everything: boolean }} found */
export function publish(found) {
  const { figures, everything } = found;
  write({ name: "tracker", figures, text: report(found), everything });
}
