// The report on files: its figures and goals.

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
 * @typedef {{ way: string, mbit: number | null, bytes: number | null, mb_per_s: number | null,
 *   against_curl: number | null, curl_mb_per_s?: number, counted_mb_per_s?: number, tracker_mb: number,
 *   grants_per_s?: number, p99_ms?: number, load: number }} Figure `mbit` is null where there is no line, `bytes` and
 *   what follows from it where addresses are signed
 */

const least = { share: 0.9, grants: 5_000 };
const mostMb = 200;

/** Combines the rounds that measured the same thing. @returns {Figure[]} */
export function summary(rounds) {
  return sameKinds(rounds, ({ way, mbit, bytes }) => [way, mbit, bytes]).map((kind) => {
    const [{ way, mbit, bytes, grants_per_s: isGrants }] = kind;
    const mb = Math.max(...known(kind, "tracker_mb"));
    const common = { tracker_mb: mb, load: middle(kind, "load", 1) };
    const rates = {
      mb_per_s: middle(kind, "mb_per_s", 2),
      against_curl: middle(kind, "against_curl", 2),
    };
    if (isGrants !== undefined)
      return {
        ...{ way, mbit, bytes, ...rates },
        ...{ grants_per_s: middle(kind, "grants_per_s", 0), p99_ms: middle(kind, "p99_ms", 1) },
        ...common,
      };
    return {
      ...{ way, mbit, bytes, ...rates },
      curl_mb_per_s: middle(kind, "curl_mb_per_s", 2),
      counted_mb_per_s: middle(kind, "counted_mb_per_s", 2),
      ...common,
    };
  });
}

/** @param {Figure[]} figures */
export function goals(figures) {
  const of = (values, choose) => (values.length ? choose(...values) : undefined);
  const large = figures.filter(({ mbit, bytes }) => mbit !== null && bytes >= 1_000_000);
  const all = [
    {
      what: "the least share of curl's rate on a line, files of 1 MB and more",
      wanted: `≥ ${least.share}`,
      of: () => of(known(large, "against_curl"), Math.min),
      met: (value) => value >= least.share,
    },
    {
      what: "the most memory of a tracker, MB",
      wanted: `< ${mostMb}`,
      of: () => of(known(figures, "tracker_mb"), Math.max),
      met: (value) => value < mostMb,
    },
    {
      what: "addresses signed a second, the slower kind",
      wanted: `≥ ${grouped(least.grants)}`,
      of: () => of(known(figures, "grants_per_s"), Math.min),
      met: (value) => value >= least.grants,
    },
  ];
  return verdicts(all, figures);
}

/** A round in one line, for the log. */
export function shownRate({ mbit, bytes, mb_per_s, against_curl, grants_per_s, tracker_mb, load }) {
  const line = mbit ? `${mbit} Mbit/s` : "no line";
  const what =
    grants_per_s === undefined
      ? `${sizeOf(bytes)}, ${line}: ${mb_per_s.toFixed(2)} MB/s, ${against_curl.toFixed(2)} of curl's`
      : `${grouped(Math.round(grants_per_s))} a second`;
  return `${what}, tracker ${tracker_mb} MB, load ${load}`;
}

/** A number of bytes for people. */
export const sizeOf = (bytes) => (bytes < 1e6 ? `${bytes / 1e3} KB` : `${bytes / 1e6} MB`);

/** @param {{ figures: Figure[], facts: string[], how: string[], everything: boolean }} found */
export function publish({ figures, facts, how, everything }) {
  const transfers = figures.filter(({ bytes }) => bytes !== null);
  const signed = figures.filter(({ bytes }) => bytes === null);
  const rows = transfers.map((one) => [
    ...[one.way, one.mbit === null ? "none" : `${one.mbit} Mbit/s`, sizeOf(one.bytes)],
    ...[one.mb_per_s, one.curl_mb_per_s, one.against_curl].map(shown),
    ...[one.counted_mb_per_s, one.tracker_mb, one.load].map(shown),
  ]);
  const heads = ["way", "line", "a file", "MB/s", "curl, MB/s", "by curl", "counted, MB/s"];
  const tables = [];
  if (rows.length > 0) tables.push(table([...heads, "tracker, MB", "load"], rows, 3));
  const signedRows = signed.map((one) => [
    one.way,
    ...[one.grants_per_s, one.p99_ms, one.tracker_mb, one.load].map(shown),
  ]);
  if (signedRows.length > 0)
    tables.push(table(["signing", "addresses/s", "p99, ms", "tracker, MB", "load"], signedRows, 1));
  const judged = goals(figures);
  const text = page({ name: "files", title: "Files of jobs", tables, judged, facts, how });
  write({ name: "files", figures, text, everything });
}
