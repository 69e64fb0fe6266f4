// The benchmark of stores whose results are checked: which runs are complete, and the evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals, summary } from "../../bench/checked-report.mjs";
import { readArguments } from "../../bench/checked.mjs";

const round = (what, jobs, results_per_s, p99_ms = 1) => ({
  ...{ store: "sqlite", what, jobs, results_per_s, p50_ms: 1, p99_ms },
});

test("only a complete run is published", () => {
  assert.equal(readArguments([]).everything, true);
  assert.equal(readArguments(["--quick"]).everything, false);
  assert.equal(readArguments(["--stores", "sqlite"]).everything, false);
  assert.deepEqual(readArguments(["--jobs", "10000"]).jobs, ["10000"]);
});

test("rates are compared by their medians, and reverted results by how long syncs take", () => {
  const rounds = [
    ...[round("off", 10_000, 1_000), round("off", 10_000, 100), round("off", 10_000, 1_200)],
    ...[round("adaptive", 10_000, 700), round("adaptive", 1_000_000, 350)],
    // How many jobs are done again differs a little from round to round.
    ...[round("reverting", 99_999, 9, 80), round("reverting", 100_001, 9, 140)],
  ];
  const judged = goals(summary(rounds));
  assert.deepEqual(
    judged.map(({ value, met }) => [value, met]),
    [
      [0.7, true],
      [0.5, false],
      [110, false],
    ],
  );
  assert.deepEqual(goals(summary(rounds.slice(0, 3))), []);
});
