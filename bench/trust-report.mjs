// The report on projects some of whose volunteers lie: its figures and goals.

import { page, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ scheme: string, liars: string, share: number, jobs_each: number, wrong_share: number,
 *   executions_per_job: number, operator_per_job: number, bound: number | null, set_aside: number,
 *   honest_on_hold: number, unfinished: number }} Figure
 */

/** Liars that help each other. Nothing but the operator's worker finds those that confirm each other. */
const together = [
  ...["pairs", "one clique", "a clique that chooses"],
  ...["wrong in 1 %, careful", "wrong in 5 %, careful"],
];

/**
 * @param {Partial<Figure>} wanted
 * @returns {(figure: Figure) => boolean}
 */
const like = (wanted) => (figure) =>
  Object.entries(wanted).every(([name, value]) => figure[name] === value);

/** The largest value among some figures, or undefined if there are none. */
const largest = (figures, of) => (figures.length > 0 ? Math.max(...figures.map(of)) : undefined);

const executions = ({ executions_per_job }) => executions_per_job;
const wrongPercent = ({ wrong_share }) => 100 * wrong_share;

/** A goal for the largest value of the figures that fit. */
const atMost = (what, most, fits, of) => ({
  what,
  wanted: `≤ ${most}`,
  of: (figures) => largest(figures.filter(fits), of),
  met: (value) => value <= most,
});

const all10 = { scheme: "adaptive:20", liars: "all kinds", share: 0.1 };
const in30 = (scheme) => (figure) =>
  like({ scheme, share: 0.3 })(figure) && figure.liars !== "20 times as fast";
const full = (share) => (figure) =>
  like({ scheme: "quorum:2", share })(figure) &&
  ![...together, "all kinds", "20 times as fast"].includes(figure.liars);

const wanted = [
  ...[
    [100, 1.65],
    [1000, 1.25],
    [4000, 1.12],
  ].map(([jobs_each, most]) =>
    atMost(
      `no liars, ${jobs_each} jobs each: executions a job`,
      most,
      like({ liars: "none", jobs_each }),
      executions,
    ),
  ),
  atMost("10 % of all kinds: % wrong", 0.1, like(all10), wrongPercent),
  atMost(
    "10 % of all kinds, 1,000 jobs each: executions a job",
    1.45,
    like({ ...all10, jobs_each: 1000 }),
    executions,
  ),
  atMost(
    "10 % of all kinds, 200 jobs each: executions a job",
    1.65,
    like({ ...all10, jobs_each: 200 }),
    executions,
  ),
  atMost("30 %, 20 confirmations: % wrong, any kind", 0.3, in30("adaptive:20"), wrongPercent),
  atMost("30 %, 40 confirmations: % wrong, any kind", 0.2, in30("adaptive:40"), wrongPercent),
  atMost(
    "30 %, 40 confirmations, not colluding: % wrong",
    0.05,
    (figure) => in30("adaptive:40")(figure) && !together.includes(figure.liars),
    wrongPercent,
  ),
  atMost(
    "30 % of all kinds: executions a job",
    2.3,
    (figure) =>
      like({ liars: "all kinds", share: 0.3 })(figure) && figure.scheme.startsWith("adaptive"),
    executions,
  ),
  ...[0.1, 0.3].flatMap((share) => [
    atMost(`quorum of 2, ${100 * share} %, not colluding: % wrong`, 0, full(share), wrongPercent),
    atMost(
      `quorum of 2, ${100 * share} %, not colluding: executions a job`,
      Number((2 / (1 - share) + 0.05).toFixed(2)),
      full(share),
      executions,
    ),
  ]),
  atMost(
    "fast liars: executions of the operator's a job",
    0.3,
    like({ liars: "20 times as fast" }),
    ({ operator_per_job }) => operator_per_job,
  ),
  atMost(
    "with the operator's worker: honest volunteers on hold",
    0,
    ({ scheme }) => scheme.startsWith("adaptive"),
    ({ honest_on_hold }) => honest_on_hold,
  ),
  atMost(
    "without it, not colluding: honest volunteers on hold",
    0,
    (figure) => full(0.1)(figure) || full(0.3)(figure),
    ({ honest_on_hold }) => honest_on_hold,
  ),
  atMost(
    "jobs that were never settled",
    0,
    () => true,
    ({ unfinished }) => unfinished,
  ),
];

/** @param {Figure[]} figures */
export function goals(figures) {
  return verdicts(wanted, figures);
}

const percent = (share) => (share == null ? "" : shown(Number((100 * share).toFixed(3))));
const rounded = (value) => shown(Number(value.toFixed(3)));

/** @param {{ figures: Figure[], facts: string[], seeds: number, everything: boolean }} found */
export function publish({ figures, facts, seeds, everything }) {
  const row = (figure) => [
    ...[figure.scheme, figure.liars, percent(figure.share), shown(figure.jobs_each)],
    ...[percent(figure.wrong_share), percent(figure.bound)],
    ...[rounded(figure.executions_per_job), rounded(figure.operator_per_job)],
    ...[percent(figure.set_aside), rounded(figure.honest_on_hold)],
  ];
  const heads = [
    ...["scheme", "liars", "% liars", "jobs each", "% wrong", "% bound", "executions"],
    ...["operator's", "% set aside", "honest on hold"],
  ];
  const text = page({
    name: "trust",
    title: "What liars get through, and what finding them costs",
    tables: [table(heads, figures.map(row), 2)],
    judged: goals(figures),
    facts,
    how: [
      `20,000 jobs and 10 or 20 volunteers at a time, ${seeds} seeds each; means.`,
      "In each round everybody who is there executes one job, and the operator's worker 2 % as many together at most; with a quorum there is none.",
      "Whoever leaves is followed by another one of the same kind. Liars that are on hold come back at once under a new key.",
    ],
  });
  write({ name: "trust", figures, text, everything });
}
