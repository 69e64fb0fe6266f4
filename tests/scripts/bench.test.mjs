// The tracker's benchmark: the helpers for figures, and its report.

import assert from "node:assert/strict";
import { test } from "node:test";

import { grouped, median } from "../../bench/figures.mjs";
import { readTps } from "../../bench/random-claim.mjs";
import { judged, report, summary } from "../../bench/tracker-report.mjs";
import { readArguments } from "../../bench/tracker.mjs";

const round = (jobs_per_s, more = {}) => ({
  ...{ store: "sqlite", jobs: 1_000_000, calls: "old", jobs_per_s },
  ...{ p50_ms: 3, p99_ms: 9, rss_mb: 20, ...more },
});

test("the median is the middle value, or the mean of the two middle values", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 9, 2]), 5.5);
});

test("rounds of the same kind are combined: medians, and the peak memory", () => {
  const others = [round(9, { jobs: 10_000 }), round(8, { store: "postgres", p99_ms: undefined })];
  const rounds = [round(100), round(300, { rss_mb: 40 }), round(200, { p50_ms: 7 }), ...others];
  assert.deepEqual(summary(rounds), [
    round(200, { rss_mb: 40 }),
    round(9, { jobs: 10_000 }),
    round(8, { store: "postgres", p99_ms: null }),
  ]);
});

test("only goals that were measured are evaluated", () => {
  const verdict = (figures) => judged(figures).map(({ value, met }) => [value, met]);
  assert.deepEqual(verdict([]), []);
  assert.deepEqual(verdict([round(4_000)]), [[4_000, true]]);
  const slower = [round(3_999), round(5_000, { jobs: 10_000 })];
  assert.deepEqual(verdict(slower), [
    [3_999, false],
    [3_999 / 5_000, false],
  ]);
  const crowd = round(999, { calls: "volunteers", p99_ms: 50, rss_mb: 199 });
  assert.deepEqual(verdict([crowd]), [
    [50, false],
    [199, true],
  ]);
});

test("the report compares with the random claim for the same number of jobs", () => {
  const claim = { ...round(1.25), store: "postgres", calls: "random claim", p50_ms: null };
  const text = report({ figures: [round(5_000), claim], facts: ["2 cores"], how: ["so"] });
  assert.match(
    text,
    /^\| old +\| sqlite +\| 1,000,000 \| +5,000 \| +4,000 \| +3 \| +9 \| +20 \|$/m,
  );
  assert.match(text, /jobs\/s \| +≥ 4,000 \| +5,000 \| +met \|$/m);
  assert.match(text, /^- The machine: 2 cores\.$/m);
});

test("only digits before the decimal point are grouped", () => {
  assert.equal(grouped(1_234_567.125), "1,234,567.125");
  assert.equal(grouped(999), "999");
});

test("pgbench's rate is parsed, and a missing one is an error", () => {
  assert.equal(readTps("latency = 3 ms\ntps = 43.625 (without initial connection time)\n"), 43.625);
  assert.throws(() => readTps("pgbench: error"), /did not report its rate/);
});

test("only a complete run is published", () => {
  assert.equal(readArguments([]).everything, true);
  assert.equal(readArguments(["--rounds", "2", "--seconds", "3"]).everything, true);
  const part = readArguments(["--store", "sqlite", "--jobs", "10000,500", "--seconds", "2"]);
  assert.deepEqual([part.everything, part.store, part.jobs], [false, ["sqlite"], [10_000, 500]]);
  assert.throws(() => readArguments(["--store", "mysql"]), /Invalid option: --store mysql/);
  assert.throws(() => readArguments(["--rounds", "-1"]), /Invalid option/);
});
