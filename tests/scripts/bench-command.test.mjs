// The benchmark of the commands: which runs are complete, and the evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals } from "../../bench/command-report.mjs";
import { readArguments } from "../../bench/command.mjs";

test("only a complete run is published", () => {
  const whole = readArguments(["--rounds", "7"]);
  assert.deepEqual([whole.everything, whole.inputs], [true, 100_000]);
  for (const part of [["--quick"], ["--inputs", "5"], ["--parts", "work"]])
    assert.equal(readArguments(part).everything, false);
});

test("the goals are evaluated by the medians of the rounds, and by what the memory grew", () => {
  const round = (what, share) => ({ what, job_ms: 1, jobs_per_s: share, threads_per_s: 1, share });
  const stream = { what: "stream", inputs: 10, jobs_per_s: 1, early_mb: 100, most_mb: 130 };
  const judged = goals([round("work", 0.9), round("work", 0.96), round("work", 0.97), stream]);
  assert.deepEqual(
    judged.map(({ value, met }) => [value, met]),
    [
      [0.96, true],
      [1.3, false],
    ],
  );
  assert.deepEqual(goals([]), []);
});
