// The report on the commands: its figures and goals.

import { median, page, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ what: "work" | "map", job_ms: number, jobs_per_s: number, threads_per_s: number, share: number }} Round
 * @typedef {{ what: "stream", inputs: number, jobs_per_s: number, early_mb: number, most_mb: number }} Stream
 */

/**
 * @param {"work" | "map"} what
 * @param {number} least
 */
const shareGoal = (what, least) => ({
  what: `\`${what}\`: the median share of a bare thread's rate`,
  wanted: `≥ ${least}`,
  of: (figures) => {
    const shares = figures.filter((figure) => figure.what === what).map(({ share }) => share);
    return shares.length > 0 ? median(shares) : undefined;
  },
  met: (value) => value >= least,
});

/** Nine tenths of the engine's efficiency at jobs of a millisecond (results/client.md). */
const mapShare = 0.82;

const all = [
  shareGoal("work", 0.95),
  shareGoal("map", mapShare),
  {
    what: "`stream`: the most memory by the most during the first tenth",
    wanted: "≤ 1.25",
    of: (figures) => {
      const stream = figures.find(({ what }) => what === "stream");
      return stream && stream.most_mb / stream.early_mb;
    },
    met: (value) => value <= 1.25,
  },
];

/** @param {(Round | Stream)[]} figures */
export function goals(figures) {
  return verdicts(all, figures);
}

const rounded = (figure) =>
  Object.fromEntries(
    Object.entries(figure).map(([name, value]) => [
      name,
      typeof value === "number" ? Number(value.toFixed(3)) : value,
    ]),
  );

/** @param {{ figures: (Round | Stream)[], facts: string[], how: string[], everything: boolean }} found */
export function publish({ figures, facts, how, everything }) {
  const rows = figures.map(rounded);
  const kinds = [
    ["job_ms", "jobs_per_s", "threads_per_s", "share"],
    ["inputs", "jobs_per_s", "early_mb", "most_mb"],
  ];
  const tables = kinds.flatMap((columns) => {
    const of = rows.filter((row) => columns.every((column) => column in row));
    const cells = (row) => [row.what, ...columns.map((column) => shown(row[column]))];
    const heads = ["command", ...columns.map((column) => column.replaceAll("_", " "))];
    return of.length > 0 ? [table(heads, of.map(cells), 1)] : [];
  });
  const text = page({
    name: "command",
    title: "How fast the commands are",
    tables,
    judged: goals(figures),
    facts,
    how,
  });
  write({ name: "command", figures: rows, text, everything });
}
