// The report on the crawl example: its figures and goals.

import { grouped, median, page, sameKinds, shown, table, verdicts, write } from "./figures.mjs";

/**
 * @typedef {{ engine: string, version: string, archive: number, plain: number, milliseconds: number[], load: number
 *   }} Round the times of the stages for an archive of so many MB, and of so many before compression
 * @typedef {{ what: string, early_mb: number, late_mb: number, most_mb: number }} Course
 */

const stages = ["extract", "clean", "language", "sign", "pack"];

/** The rates in MB before compression a second, from the least times of the rounds. @param {Round[]} rounds */
export function rates(rounds) {
  return sameKinds(rounds, ({ engine }) => [engine]).map((kind) => {
    const least = stages.map((_, at) =>
      Math.min(...kind.map((round) => round.milliseconds[at] ?? 0)),
    );
    const rate = (ms) => Number(((kind[0].plain * 1000) / ms).toFixed(1));
    const sum = least.reduce((all, ms) => all + ms, 0);
    const entries = stages.map((name, at) => [name, rate(least[at])]);
    const load = median(kind.map((round) => round.load));
    const { engine, version } = kind[0];
    return { engine, version, ...Object.fromEntries(entries), together: rate(sum), load };
  });
}

/**
 * What the memory was in the second and in the last quarter of the time, and at its most.
 *
 * @param {{ mb: number }[]} looks
 */
export function course(looks) {
  const sizes = looks.map(({ mb }) => mb);
  const part = (from, to) => {
    const some = sizes.slice(Math.floor(sizes.length * from), Math.ceil(sizes.length * to));
    return Math.round(median(some));
  };
  const most_mb = Math.round(Math.max(...sizes));
  return { early_mb: part(0.25, 0.5), late_mb: part(0.75, 1), most_mb };
}

/** @param {{ kernels: ReturnType<typeof rates>, whole: any[] }} found */
export function goals({ kernels, whole }) {
  const courses = whole.filter(({ late_mb }) => late_mb !== undefined);
  const of = (name) => courses.filter(({ what }) => what.startsWith(name));
  const growth = (name) => {
    const ratios = of(name).map(({ early_mb, late_mb }) => late_mb / early_mb);
    return ratios.length > 0 ? Math.max(...ratios) : undefined;
  };
  const native = kernels.find(({ engine }) => engine === "native")?.together;
  const constant = ["browser", "tracker"].map((name) => ({
    what: `memory of ${name === "browser" ? "the browsers" : "the tracker"}: last quarter / second`,
    wanted: "≤ 1.25",
    of: () => growth(name),
    met: (value) => value <= 1.25,
  }));
  const halves = kernels
    .filter(({ engine }) => engine !== "native" && native)
    .map(({ engine, together }) => ({
      what: `all stages in ${engine} / natively`,
      wanted: "≥ 0.5",
      of: () => together / Number(native),
      met: (value) => value >= 0.5,
    }));
  return verdicts([...halves, ...constant], { kernels, whole });
}

/** @param {{ kernels: Round[], whole: any[], facts: string[], wanted: any }} found */
export function publish({ kernels: rounds, whole, facts, wanted }) {
  const kernels = rates(rounds);
  const tables = [];
  if (kernels.length > 0) {
    const heads = ["MB a second", ...stages, "together", "load"];
    const rows = kernels.map(({ engine, version, together, load, ...rates }) => [
      `${engine} ${version}`.trim(),
      ...stages.map((stage) => shown(rates[stage])),
      ...[shown(together), shown(load)],
    ]);
    tables.push(table(heads, rows, 1));
  }
  const [all, ...courses] = whole;
  if (all) {
    const heads = ["memory, MB", "second quarter", "last quarter", "most"];
    const rows = courses.map(({ what, early_mb, late_mb, most_mb }) => [
      ...[what, shown(early_mb), shown(late_mb), shown(most_mb)],
    ]);
    tables.push(table(heads, rows, 1));
  }
  const how = [];
  if (kernels.length > 0) {
    const { archive, plain } = rounds[0];
    how.push(
      `The stages: one thread, all pieces of an archive of ${plain} MB before compression (${Math.round(archive)} MB of gzip), ${wanted.rounds} rounds, the least times. MB are those before compression.`,
    );
  }
  if (all) {
    const rate = (all.megabytes / all.seconds).toFixed(2);
    how.push(
      `The archive for the browsers: ${grouped(all.megabytes)} MB before compression, ${Math.round(all.compressed)} MB of gzip, ${grouped(all.pieces)} pieces. Two Chromiums with one core each took ${Math.round(all.seconds)} s, ${rate} MB a second; ${all.busy.toFixed(2)} cores of the machine were busy, and at the end ${all.load} processes wanted one.`,
      `The data set has ${grouped(all.pages)} pages without ${grouped(all.duplicates)} near duplicates, and its shards are equal to those of the native program.`,
    );
  }
  const judged = goals({ kernels, whole });
  const title = "From a crawl to a data set: how fast, and in how much memory";
  const text = page({ name: "crawl", title, tables, judged, facts, how });
  const figures = [...kernels, ...whole];
  write({ name: "crawl", figures, text, everything: wanted.everything });
}
