// From what was measured to what is published: medians, goals, the table. Nothing here measures.

/** @typedef {{ store: string, jobs: number, calls: string, jobs_per_s: number,
 *   p50_ms: number | null, p99_ms: number | null, rss_mb: number | null }} Figure */

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * One figure for each kind of run, of all its rounds: medians, and the most memory.
 *
 * @param {Figure[]} rounds
 * @returns {Figure[]}
 */
export function summary(rounds) {
  const kinds = new Map();
  for (const round of rounds) {
    const kind = [round.calls, round.store, round.jobs].join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), round]);
  }
  return [...kinds.values()].map((same) => {
    const known = (name) => same.map((round) => round[name]).filter((value) => value != null);
    const of = (name, digits) =>
      known(name).length ? Number(median(known(name)).toFixed(digits)) : null;
    const { store, jobs, calls } = same[0];
    const rss_mb = known("rss_mb").length ? Math.max(...known("rss_mb")) : null;
    return {
      ...{ store, jobs, calls, jobs_per_s: of("jobs_per_s", 1) },
      ...{ p50_ms: of("p50_ms", 2), p99_ms: of("p99_ms", 2), rss_mb },
    };
  });
}

const million = 1_000_000;

/** What is wanted, on two cores that the load generator shares. `of` gives what was measured. */
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

/**
 * The goals that this run can say something of.
 *
 * @param {Figure[]} figures
 */
export function judged(figures) {
  const find = (calls, store, jobs) =>
    figures.find(
      (one) =>
        one.calls === calls && one.store === store && (jobs === undefined || one.jobs === jobs),
    );
  return goals
    .map(({ what, wanted, of, met }) => ({ what, wanted, value: of(find), met }))
    .filter(({ value }) => value != null)
    .map(({ met, ...goal }) => ({ ...goal, met: met(goal.value) }));
}

/** How many times as fast as the comparison with as many jobs. */
function ratio({ calls, jobs, jobs_per_s }, figures) {
  const other = figures.find((one) => one.calls === "random claim" && one.jobs === jobs);
  if (!other || !["old", "sync"].includes(calls)) return "";
  const times = jobs_per_s / other.jobs_per_s;
  return times < 10 ? times.toFixed(1) : grouped(Math.round(times));
}

/**
 * What people read.
 *
 * @param {{ figures: Figure[], facts: string[], how: string[] }} found
 */
export function report({ figures, facts, how }) {
  const shown = (value) => (value == null ? "" : grouped(value));
  const rows = figures.map((one) => [
    ...[one.calls, one.store, shown(one.jobs), shown(one.jobs_per_s), ratio(one, figures)],
    ...[shown(one.p50_ms), shown(one.p99_ms), shown(one.rss_mb)],
  ]);
  const heads = ["calls", "store", "jobs", "jobs/s", "× random claim"];
  const verdicts = judged(figures).map(({ what, wanted, value, met }) => [
    ...[what, wanted, grouped(Number(value.toFixed(2))), met ? "met" : "**missed**"],
  ]);
  return [
    "# How fast the tracker is",
    "",
    "Written by `npm run bench -- tracker`; what the figures mean stands in [README](../README.md).",
    "",
    ...table([...heads, "p50 ms", "p99 ms", "MB"], rows, 2),
    "",
    "## Goals",
    "",
    ...table(["goal", "wanted", "measured", ""], verdicts, 1),
    "",
    "## How it was measured",
    "",
    ...[...how, `The machine: ${facts.join("; ")}.`].map((line) => `- ${line}`),
    "",
  ].join("\n");
}

/** Lined up, as the formatter wants it; the first `left` columns are words. */
function table(heads, rows, left) {
  const widths = heads.map((head, column) =>
    Math.max(3, ...[head, ...rows.map((row) => row[column])].map((text) => text.length)),
  );
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const filled = (cells) =>
    line(
      cells.map((text, column) =>
        column < left ? text.padEnd(widths[column]) : text.padStart(widths[column]),
      ),
    );
  const rule = widths.map((width, column) =>
    column < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [filled(heads), line(rule), ...rows.map(filled)];
}

export function grouped(value) {
  const [whole, rest] = String(value).split(".");
  const groups = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? groups : `${groups}.${rest}`;
}
