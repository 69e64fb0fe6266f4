// The benchmark of files: which runs are complete, how rounds are combined, and its goals. And the arguments of
// `npm run fleet`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals, summary } from "../../bench/files-report.mjs";
import { readArguments } from "../../bench/files.mjs";
import { readArguments as readFleet } from "../../scripts/fleet.mjs";

const transfer = (against_curl, more = {}) => ({
  ...{ way: "up, through the tracker", mbit: 200, bytes: 1_000_000, mb_per_s: 20, against_curl },
  ...{ curl_mb_per_s: 22, counted_mb_per_s: 19, tracker_mb: 40, load: 1, ...more },
});

const signing = (grants_per_s, more = {}) => ({
  ...{ way: "redirects to files", mbit: null, bytes: null, mb_per_s: null, against_curl: null },
  ...{ grants_per_s, p99_ms: 9, tracker_mb: 30, load: 2, ...more },
});

test("only a complete run is published", () => {
  const whole = readArguments(["--rounds", "5"]);
  assert.deepEqual([whole.everything, whole.rounds, whole.mbit], [true, 5, [200, 0]]);
  for (const part of [["--quick"], ["--bytes", "1000"], ["--parts", "grants"]])
    assert.equal(readArguments(part).everything, false);
});

test("rounds are combined: medians, and the peak memory", () => {
  const rounds = [transfer(0.9), transfer(1.1, { tracker_mb: 50 }), transfer(0.95, { load: 3 })];
  const [one, two, ...rest] = summary([...rounds, signing(6_000), signing(7_000)]);
  assert.deepEqual(one, transfer(0.95, { tracker_mb: 50 }));
  assert.deepEqual(two, signing(6_500));
  assert.deepEqual(rest, []);
});

test("goals: large files on a line, memory, and the slower kind of addresses", () => {
  const values = (figures) => goals(figures).map(({ value, met }) => [value, met]);
  const others = [transfer(0.5, { bytes: 1_000 }), transfer(0.4, { mbit: null })];
  assert.deepEqual(values([transfer(0.9), transfer(1.2), ...others]), [
    [0.9, true],
    [40, true],
  ]);
  assert.deepEqual(values([transfer(0.89, { tracker_mb: 200 }), signing(4_999), signing(9_000)]), [
    [0.89, false],
    [200, false],
    [4_999, false],
  ]);
  assert.deepEqual(values([]), []);
});

test("the options of a fleet", () => {
  const { browsers, jobs, away } = readFleet(["--browsers", "20", "--away", "5"]);
  assert.deepEqual([browsers, jobs, away], [20, 600, 5]);
  for (const wrong of [["--browsers"], ["--browsers", "x"], ["browsers", "3"], ["--more", "3"]])
    assert.throws(() => readFleet(wrong), /Invalid option/);
});
