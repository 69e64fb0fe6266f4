// The report on the client: its figures and goals.

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

/**
 * @typedef {{ contender: string, job_ms: number, delay_ms: number, workers: number,
 *   efficiency: number | null, jobs_per_s: number, requests_per_job: number | null }} Figure
 * @typedef {{ took_ms: number, browser: number, tracker: number, proxy: number,
 *   others: number }} Cost `took_ms` is the measured duration of a job; the others are shares of a core
 *   in percent
 * @typedef {{ core_percent: number, every_s: number, wait_s: number }} Idle
 * @typedef {{ median_ms: number, least_ms: number, most_ms: number }} Starts from the call of `start` until the
 *   first job begins
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
      efficiency_spread: spread(known(same, "efficiency")),
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

/** The least and the greatest value, rounded, or null if there are none. */
function spread(values) {
  if (values.length === 0) return null;
  return [Math.min(...values), Math.max(...values)].map((value) => Number(value.toFixed(3)));
}

/** The goals on a machine with two cores, which browser, tracker and proxy share. */
const goals = [
  efficiency({ job_ms: 100, delay_ms: 100, workers: 1 }, 0.99),
  efficiency({ job_ms: 10, delay_ms: 100, workers: 1 }, 0.97),
  efficiency({ job_ms: 1, delay_ms: 0, workers: 1 }, 0.95),
  efficiency({ job_ms: 100, delay_ms: 100, workers: 2 }, 0.97),
  efficiency({ job_ms: 10, delay_ms: 100, workers: 2 }, 0.9),
  efficiency({ job_ms: 1, delay_ms: 0, workers: 2 }, 0.7),
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
  efficiency({ contender: "engine, old", job_ms: 100, delay_ms: 100, workers: 2 }, 0.9),
  {
    what: "engine, sync, from start to the first job, warm: ms",
    wanted: "< 300",
    of: ({ starts }) => starts?.median_ms,
    met: (value) => value < 300,
  },
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

function efficiency({ contender = "engine, sync", job_ms, delay_ms, workers }, least) {
  const many = workers === 1 ? "1 worker" : `${workers} workers`;
  return {
    what: `${contender}, ${many}, jobs of ${job_ms} ms, answers delayed ${delay_ms} ms: efficiency`,
    wanted: `≥ ${least}`,
    of: ({ find }) => find(contender, job_ms, delay_ms, workers)?.efficiency,
    met: (value) => value >= least,
  };
}

/**
 * Evaluates the goals for which this run has figures.
 *
 * @param {{ figures: Figure[], idle?: Idle, starts?: Starts, packageBytes?: number }} found
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
 * @param {{ figures: (Figure & Cost)[], idle?: Idle, starts?: Starts, packageBytes?: number, facts: string[],
 *   how: string[] }} found
 */
export function report(found) {
  const { figures, starts, facts, how } = found;
  const heads = ["contender", "job ms", "delay ms", "workers", "efficiency", "rounds", "jobs/s"];
  const costs = ["requests a job", "took ms", "browser %", "tracker %", "proxy %", "others %"];
  const rows = figures.map((one) => [
    ...[one.contender, grouped(one.job_ms), grouped(one.delay_ms), grouped(one.workers)],
    ...[shown(one.efficiency), one.efficiency_spread?.join(" – ") ?? ""],
    ...[one.jobs_per_s, one.requests_per_job].map(shown),
    ...[one.took_ms, one.browser, one.tracker, one.proxy, one.others].map(shown),
  ]);
  const tables = [table([...heads, ...costs], rows, 1)];
  if (starts) {
    const cells = [starts.median_ms, starts.least_ms, starts.most_ms].map((ms) => ms.toFixed(0));
    const head = ["from start to the first job", "median ms", "least ms", "most ms"];
    tables.push(table(head, [["engine, sync", ...cells]], 1));
  }
  const title = "How fast the client is";
  return page({ name: "client", title, tables, judged: judged(found), facts, how });
}

/** @param {Parameters<typeof report>[0] & { everything: boolean }} found */
export function publish(found) {
  const figures = found.figures.map(
    ({ contender, job_ms, delay_ms, workers, efficiency, efficiency_spread, ...rest }) => ({
      ...{ contender, job_ms, delay_ms, workers, efficiency, efficiency_spread },
      ...{ jobs_per_s: rest.jobs_per_s, requests_per_job: rest.requests_per_job },
    }),
  );
  write({ name: "client", figures, text: report(found), everything: found.everything });
}
