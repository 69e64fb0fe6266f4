// The report on large databases: its figures and goals.

import { page, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ store: string, what: string, few_ms: number, many_ms: number, ratio: number }} Figure
 */

/** The allowed ratio: an index that is one or two levels deeper, and a smaller share of it in memory. */
const most = 2;

/** @param {Figure[]} figures */
export function goals(figures) {
  const goal = {
    what: "the largest ratio of the times",
    wanted: `< ${most}`,
    of: () => (figures.length ? Math.max(...figures.map(({ ratio }) => ratio)) : undefined),
    met: (value) => value < most,
  };
  return verdicts([goal], figures);
}

const rounded = (value) => Number(value.toFixed(2));

/** @param {{ figures: Figure[], facts: string[], how: string[], everything: boolean }} found */
export function publish({ figures, facts, how, everything }) {
  const rounded = figures.map(({ store, what, few_ms, many_ms, ratio }) => ({
    ...{ store, what, few_ms: rounded(few_ms), many_ms: rounded(many_ms), ratio: rounded(ratio) },
  }));
  const row = ({ store, what, few_ms, many_ms, ratio }) => [
    ...[store, what],
    ...[few_ms, many_ms, ratio].map(shown),
  ];
  const tables = [table(["store", "call", "few, ms", "many, ms", "ratio"], rounded.map(row), 2)];
  const judged = goals(rounded);
  const text = page({
    name: "grown",
    title: "A database that has grown",
    tables,
    judged,
    facts,
    how,
  });
  write({ name: "grown", figures: rounded, text, everything });
}
