// The benchmark with simulated volunteers: which runs are complete, the evaluation of its goals, its charts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chart } from "../../bench/chart.mjs";
import { judged, pictures, report } from "../../bench/scale-report.mjs";
import { readArguments } from "../../bench/scale.mjs";

const series = {
  step_s: 12_000,
  requests: [0, 8_000, 13_000],
  served: [0, 7_000, 7_000],
  in_vain: [1, 2, 3],
};

function trial(name, more = {}) {
  return {
    ...{
      name,
      volunteers: 1_000_000,
      simulated: 10_000,
      jobs_per_s: 2_222,
      requests_per_s: 13_000,
    },
    ...{ requests_per_job: 5.9, peak_per_s: 14_300, peak_over_s: 10, peak_by_usual: 1.1 },
    ...{ overloaded_s: 0, at_work_after_s: 90, result_waits_s: 0.4, held_per_core: 1, lapsed: 0 },
    ...{ took_s: 60, series, ...more },
  };
}

test("only a complete run is published", () => {
  assert.equal(readArguments([]).everything, true);
  assert.deepEqual(readArguments(["--quick"]), { "one-in": 100, everything: false });
  assert.equal(readArguments(["--one-in", "10"]).everything, false);
  assert.throws(() => readArguments(["--jobs", "1"]), /Invalid option/);
});

test("peaks of requests, waiting volunteers and lost leases miss the goals", () => {
  const names = (trials) => judged(trials).map(({ met }) => met);
  assert.deepEqual(names([trial("away for 1 hour")]), [true, true]);
  assert.deepEqual(names([trial("away for 1 hour", { peak_by_usual: 3.7, lapsed: 4 })]), [
    false,
    false,
  ]);
  assert.deepEqual(names([trial("no jobs", { requests_per_s: 60_000 })]), [false, true]);
  // Trials with a varied setting do not count as scenarios.
  assert.equal(judged([trial("away for 1 hour", { setting: "wait_s", value: 15 })]).length, 1);
});

test("the report names each scenario and each setting", () => {
  const trials = [
    trial("away for 1 hour"),
    trial("jobs of 1 s", { setting: "linger_s", value: 2 }),
  ];
  const text = report({ trials, facts: ["2 cores"] });
  for (const part of ["| away for 1 hour |", "| jobs of 1 s |", "(scale.svg)", "14,300", "2 cores"])
    assert.ok(text.includes(part), part);
});

test("a chart has axes, units and only valid numbers", () => {
  const drawn = pictures([trial("away for 1 hour"), trial("a day")]);
  for (const part of ["requests/s", "hours", "find nobody", "prefers-color-scheme: dark"])
    assert.ok(drawn.includes(part), part);
  assert.doesNotMatch(drawn, /NaN|undefined|Infinity/);
  const flat = {
    title: "a < b",
    unit: "requests/s",
    step_s: 1,
    lines: [{ name: "x", values: [0, 0] }],
  };
  assert.match(chart([flat]), /a &lt; b/);
});
