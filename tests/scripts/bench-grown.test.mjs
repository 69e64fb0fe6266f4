// The benchmark of large databases: which runs are complete, and the evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals } from "../../bench/grown-report.mjs";
import { readArguments } from "../../bench/grown.mjs";

test("only a complete run is published", () => {
  const whole = readArguments(["--calls", "5"]);
  assert.deepEqual([whole.everything, whole.few, whole.many], [true, 10_000, 1_000_000]);
  for (const part of [["--quick"], ["--many", "20000"], ["--stores", "sqlite"]])
    assert.equal(readArguments(part).everything, false);
});

test("the goal is evaluated with the largest ratio", () => {
  const figure = (ratio) => ({ store: "sqlite", what: "sync", few_ms: 1, many_ms: ratio, ratio });
  assert.equal(goals([figure(1), figure(1.9)])[0].met, true);
  const [missed] = goals([figure(2.1), figure(1)]);
  assert.deepEqual([missed.value, missed.met], [2.1, false]);
  assert.deepEqual(goals([]), []);
});
