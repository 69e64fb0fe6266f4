// The report on the client: its figures and goals.

import { grouped, middle, page, sameKinds, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ contender: string, job_ms: number, delay_ms: number, workers: number,
 *   efficiency: number | null, jobs_per_s: number, requests_per_job: number | null }} Figure
 * @typedef {{ took_ms: number, browser: number, tracker: number, proxy: number,
 *   others: number }} Cost `took_ms` is the measured duration of a job; the others are shares of a core
 *   in percent
 * @typedef {{ core_percent: number, every_s: number, wait_s: number }} Idle
 */

export const contenders = {
  memory: "memory",
  five: "five calls",
  two: "two calls",
  sync: "engine, sync",
  old: "engine, old",
};

/**
 * Returns one figure for each kind of run: the medians of its rounds.
 *
 * @param {(Figure & Cost)[]} rounds
 * @returns {(Figure & Cost)[]}
 */
export function summary(rounds) {
  const kindOf = (one) => [one.job_ms, one.delay_ms, one.workers, one.contender];
  return sameKinds(rounds, kindOf).map((same) => {
    const { contender, job_ms, delay_ms, workers } = same[0];
    return {
      ...{ contender, job_ms, delay_ms, workers },
      efficiency: middle(same, "efficiency", 3),
      jobs_per_s: middle(same, "jobs_per_s", 2),
      requests_per_job: middle(same, "requests_per_job", 3),
      took_ms: middle(same, "took_ms", 2),
      browser: middle(same, "browser", 0),
      tracker: middle(same, "tracker", 0),
      proxy: middle(same, "proxy", 0),
      others: middle(same, "others", 0),
    };
  });
}

/** The goals on a machine with two cores, which browser, tracker and proxy share. */
const goals = [
  efficiency("engine, sync", 100, 100, 0.97),
  efficiency("engine, sync", 10, 100, 0.9),
  efficiency("engine, sync", 1, 0, 0.7),
  {
    what: "engine, sync, empty jobs: jobs/s against two calls",
    wanted: "≥ 20",
    of: ({ find }) => {
      const [engine, two] = ["engine, sync", "two calls"].map((one) => find(one, 0, 0)?.jobs_per_s);
      return engine && two ? engine / two : undefined;
    },
    met: (value) => value >= 20,
  },
  {
    what: "engine, sync, jobs of 1 s, four workers: requests a job",
    wanted: "≤ 0.2",
    of: ({ find }) => find("engine, sync", 1000, 0, 4)?.requests_per_job,
    met: (value) => value <= 0.2,
  },
  efficiency("engine, old", 100, 100, 0.9),
  {
    what: "the npm package, brotli: KB",
    wanted: "≤ 120",
    of: ({ packageBytes }) => packageBytes && packageBytes / 1000,
    met: (value) => value <= 120,
  },
  {
    what: "idle, no jobs open: % of a core",
    wanted: "< 1",
    of: ({ idle }) => idle?.core_percent,
    met: (value) => value < 1,
  },
  {
    what: "idle, no jobs open: time between requests against the tracker's wait_s",
    wanted: "≥ 1",
    of: ({ idle }) => idle && idle.every_s / idle.wait_s,
    met: (value) => value >= 1,
  },
];

function efficiency(contender, job_ms, delay_ms, least) {
  return {
    what: `${contender}, jobs of ${job_ms} ms, answers delayed ${delay_ms} ms: efficiency`,
    wanted: `≥ ${least}`,
    of: ({ find }) => find(contender, job_ms, delay_ms, 2)?.efficiency,
    met: (value) => value >= least,
  };
}

/**
 * Evaluates the goals for which this run has figures.
 *
 * @param {{ figures: Figure[], idle?: Idle, packageBytes?: number }} found
 */
export function judged({ figures, ...rest }) {
  const find = (contender, job_ms, delay_ms, workers) =>
    figures.find(
      (one) =>
        one.contender === contender &&
        one.job_ms === job_ms &&
        one.delay_ms === delay_ms &&
        (workers === undefined || one.workers === workers),
    );
  return verdicts(goals, { find, ...rest });
}

/**
 * Returns the report as Markdown.
 *
 * @param {{ figures: (Figure & Cost)[], idle?: Idle, packageBytes?: number, facts: string[],
 *   how: string[] }} found
 */
export function report(found) {
  const { figures, facts, how } = found;
  const heads = ["contender", "job ms", "delay ms", "workers", "efficiency", "jobs/s"];
  const costs = ["requests a job", "took ms", "browser %", "tracker %", "proxy %", "others %"];
  const rows = figures.map((one) => [
    ...[one.contender, grouped(one.job_ms), grouped(one.delay_ms), grouped(one.workers)],
    ...[one.efficiency, one.jobs_per_s, one.requests_per_job].map(shown),
    ...[one.took_ms, one.browser, one.tracker, one.proxy, one.others].map(shown),
  ]);
  const tables = [table([...heads, ...costs], rows, 1)];
  const title = "How fast the client is";
  return page({ name: "client", title, tables, judged: judged(found), facts, how });
}

/** @param {Parameters<typeof report>[0] & { everything: boolean }} found */
export function publish(found) {
  const figures = found.figures.map(
    ({ contender, job_ms, delay_ms, workers, efficiency, jobs_per_s, requests_per_job }) => ({
      ...{ contender, job_ms, delay_ms, workers, efficiency, jobs_per_s, requests_per_job },
    }),
  );
  write({ name: "client", figures, text: report(found), everything: found.everything });
}
