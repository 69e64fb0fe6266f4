// The report on the simulation of a million volunteers: its figures, goals and charts.

import { chart } from "./chart.mjs";
import { grouped, page, shown, table, verdicts, write } from "./figures.mjs";

/** @typedef {{ name: string, setting?: string, value?: number, simulated: number, jobs_per_s: number,
 *   requests_per_s: number, requests_per_job: number | null, peak_per_s: number, peak_over_s: number,
 *   peak_by_usual: number | null, overloaded_s: number, at_work_after_s: number | null,
 *   result_waits_s: number | null, held_per_core: number, lapsed: number, took_s: number,
 *   series?: { step_s: number, requests: number[], served: number[], in_vain: number[] } }} Trial */

/** The limit for the peak of requests after an outage, relative to the usual rate. */
const herd = 2;

const goals = [
  ...["away for 1 hour", "away for 1 hour, jobs of 100 s"].map((name) => ({
    what: `${name}: most requests in a second when it is back, by the usual number`,
    wanted: `≤ ${herd}`,
    of: (find) => find(name)?.peak_by_usual,
    met: (value) => value <= herd,
  })),
  {
    what: "no jobs: requests/s of a million that wait",
    wanted: "≤ 2,500",
    of: (find) => find("no jobs")?.requests_per_s,
    met: (value) => value <= 2_500,
  },
  {
    what: "jobs appear: most requests in a second, by the usual number",
    wanted: `≤ ${herd}`,
    of: (find) => find("jobs appear")?.peak_by_usual,
    met: (value) => value <= herd,
  },
  {
    what: "all at once: minutes until 99 % have jobs, 7,000 requests/s",
    wanted: "≤ 10",
    of: (find) => minutes(find("all at once")?.at_work_after_s),
    met: (value) => value <= 10,
  },
  {
    what: "leases that ended though their holder was there, in all of it",
    wanted: "0",
    of: (_, trials) => trials.reduce((sum, { lapsed }) => sum + lapsed, 0),
    met: (value) => value === 0,
  },
];

function minutes(seconds) {
  return seconds == null ? undefined : seconds / 60;
}

/** @param {Trial[]} trials */
export function judged(trials) {
  const find = (name) => trials.find((one) => one.name === name && !one.setting);
  return verdicts(
    goals.map((goal) => ({ ...goal, of: () => goal.of(find, trials) })),
    find,
  );
}

/** @param {Trial[]} trials */
function tables(trials) {
  const courses = trials.filter(({ setting }) => !setting);
  const of = (setting) => trials.filter((one) => one.setting === setting);
  return [
    table(
      [
        "scenario",
        "simulated",
        "jobs/s",
        "requests/s",
        "a job",
        "peak/s",
        "over s",
        "× usual",
        "at work after s",
      ],
      courses.map((one) => [
        ...[one.name, shown(one.simulated), shown(one.jobs_per_s), shown(one.requests_per_s)],
        ...[shown(one.requests_per_job), shown(one.peak_per_s), shown(one.peak_over_s)],
        ...[shown(one.peak_by_usual), isAwaited(one) ? shown(one.at_work_after_s) : ""],
      ]),
      1,
    ),
    ["## `wait_s`, where there are no jobs"],
    table(
      ["wait_s", "requests/s", "all have jobs after s"],
      of("wait_s").map((one) => [one.value, one.requests_per_s, one.at_work_after_s].map(shown)),
      0,
    ),
    ["## `lease_s`, with jobs of 30 minutes"],
    table(
      ["lease_s", "requests/s", "a vanished volunteer's jobs are back after s"],
      of("lease_s").map((one) => [one.value, one.requests_per_s, missed(one.value)].map(shown)),
      0,
    ),
    ["## How long results wait for others, and jobs are held ahead"],
    table(
      ["jobs", "linger s", "requests/s", "a job", "jobs/s", "held a core", "a result waits s"],
      of("linger_s").map((one) => [
        ...[one.name, shown(one.value), shown(one.requests_per_s), shown(one.requests_per_job)],
        ...[shown(one.jobs_per_s), shown(one.held_per_core), shown(one.result_waits_s)],
      ]),
      1,
    ),
  ];
}

/** Whether the time until all volunteers have work matters in this scenario. */
function isAwaited({ name }) {
  return ["jobs appear", "all at once"].includes(name);
}

/** The time until an expired lease is found: the tracker looks ten times per lease, at least every 30 s. */
function missed(lease_s) {
  return lease_s + Math.min(30, lease_s / 10);
}

function how(trials) {
  const took = trials.reduce((sum, { took_s }) => sum + took_s, 0);
  return [
    "Virtual time: the real scheduler of each volunteer, with the wait that the tracker's own rule " +
      "says; the tracker is counters, answers after 40 to 200 ms, and loses nothing.",
    "1,000,000 volunteers with 4 cores, and 100,000,000 jobs where not said otherwise. `simulated` says " +
      "how many of them were really run, the others counted by them; volunteers know nothing of each " +
      "other, and a test shows that the number changes nothing. Settings are compared with 2,500.",
    "Machines differ by up to 2 to either side, jobs on one machine by 10 %. Volunteers begin at one " +
      "moment in `no jobs`, `jobs appear` and `all at once`, else within minutes.",
    "`peak/s` is the mean of the highest second, or of the highest ten where a sample was run; in `no " +
      "jobs` after the first minute, since nobody's rules can spread the first requests of those who come " +
      "together.",
    "The tracker of `all at once` takes 7,000 requests/s, lets a request wait for 5 s, and then answers " +
      "503 with `Retry-After: 5`; its leases last 30 minutes. Everywhere else it takes any number.",
    `It took ${Math.round(took / 60)} minutes.`,
  ];
}

/** @param {Trial[]} trials */
export function pictures(trials) {
  const find = (name) => trials.find((one) => one.name === name && one.series);
  const unit = "requests/s";
  const panels = [];
  const away = find("away for 1 hour");
  if (away) {
    const { step_s, requests, in_vain } = away.series;
    const lines = [
      { name: "reach the tracker", values: requests },
      { name: "find nobody", values: in_vain },
    ];
    const bound = { name: "2 × usual", value: herd * away.requests_per_s };
    panels.push({ title: "The tracker is away for an hour", unit, step_s, lines, bound });
  }
  const start = find("all at once");
  if (start) {
    const { step_s, requests, served } = start.series;
    const first = (values) => values.slice(0, Math.ceil((15 * 60) / step_s));
    const lines = [
      { name: "sent", values: first(requests) },
      { name: "served", values: first(served) },
    ];
    panels.push({ title: "A million begin in one second", unit, step_s, lines });
  }
  // The chart omits the start of the simulation.
  for (const [name, title, fromMinute] of [
    ["jobs appear", "A million wait, and jobs appear after half an hour", 15],
    ["a day", "Two thirds compute only at night, in three time zones", 6 * 60],
  ]) {
    const one = find(name);
    if (!one) continue;
    const { step_s, requests } = one.series;
    const cut = Math.floor((fromMinute * 60) / step_s);
    const lines = [{ name: unit, values: requests.slice(cut) }];
    panels.push({ title, unit, step_s, from_s: cut * step_s, lines });
  }
  return chart(panels);
}

/** @param {{ trials: Trial[], facts: string[] }} found */
export function report({ trials, facts }) {
  const title = "A million volunteers on paper";
  const picture = ["![Requests a second over time](scale.svg)"];
  const text = {
    tables: [picture, ...tables(trials)],
    judged: judged(trials),
    facts,
    how: how(trials),
  };
  return page({ name: "scale", title, ...text });
}

/** @param {{ trials: Trial[], facts: string[], everything: boolean }} found */
export function publish({ trials, facts, everything }) {
  const figures = trials.map(({ series: _, ...figure }) => figure);
  const files = { "scale.svg": pictures(trials) };
  write({ name: "scale", figures, text: report({ trials, facts }), everything, files });
}
