// The report on stores that take results in which are checked: its figures and goals.

import { grouped, middle, page, sameKinds, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ store: string, what: string, jobs: number, results_per_s: number, p50_ms: number,
 *   p99_ms: number }} Figure `what` is how results are checked, or "reverting"
 */

/** The medians of rounds. @param {Figure[]} rounds @returns {Figure[]} */
export function summary(rounds) {
  const kinds = sameKinds(rounds, ({ store, what, jobs }) =>
    what === "reverting" ? [store, what] : [store, what, jobs],
  );
  return kinds.map((kind) => ({
    ...kind[0],
    results_per_s: middle(kind, "results_per_s", 0),
    p50_ms: middle(kind, "p50_ms", 2),
    p99_ms: middle(kind, "p99_ms", 2),
  }));
}

/** @param {Figure[]} figures */
export function goals(figures) {
  const stores = [...new Set(figures.map(({ store }) => store))];
  const rate = (store, what, jobs) =>
    figures.find((one) => one.store === store && one.what === what && one.jobs === jobs)
      ?.results_per_s;
  const ratio = (one, other) => (one && other ? one / other : undefined);
  const atLeast = (what, least, of) => ({
    what,
    wanted: `≥ ${least}`,
    of,
    met: (value) => value >= least,
  });
  return verdicts(
    stores.flatMap((store) => [
      atLeast(`${store}, 10,000 jobs: rate with checks / without`, 0.6, () =>
        ratio(rate(store, "adaptive", 10_000), rate(store, "off", 10_000)),
      ),
      atLeast(`${store}, with checks: rate at 1,000,000 jobs / at 10,000`, 0.9, () =>
        ratio(rate(store, "adaptive", 1_000_000), rate(store, "adaptive", 10_000)),
      ),
      {
        what: `${store}: p99 of syncs while 100,000 results are reverted, ms`,
        wanted: "< 100",
        of: () => figures.find((one) => one.store === store && one.what === "reverting")?.p99_ms,
        met: (value) => value < 100,
      },
    ]),
    figures,
  );
}

/** @param {{ rounds: Figure[], facts: string[], wanted: any }} found */
export function publish({ rounds, facts, wanted }) {
  const figures = summary(rounds);
  const row = (figure) => [
    ...[figure.store, figure.what, grouped(figure.jobs), grouped(figure.results_per_s)],
    ...[shown(figure.p50_ms), shown(figure.p99_ms)],
  ];
  const heads = ["store", "checks", "jobs", "results a second", "p50 ms", "p99 ms"];
  const text = page({
    name: "checked",
    title: "Results that are checked: how fast they are taken in",
    tables: [table(heads, figures.map(row), 2)],
    judged: goals(figures),
    facts,
    how: [
      `${wanted.rounds} rounds of ${wanted.seconds} s; medians. 32 volunteers with keys sync 16 results and 16 jobs, one sync after the other, without a network.`,
      "With checks, each volunteer has been confirmed 4,000 times, so that one of 200 results waits for another opinion.",
      `Reverting: one volunteer has handed in ${grouped(wanted.revert)} results, which are reverted while the others sync; the rate is that of jobs that are done again.`,
    ],
  });
  write({ name: "checked", figures, text, everything: wanted.everything });
}
