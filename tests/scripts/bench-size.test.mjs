// The benchmark of sizes: which runs are complete, its summary, its plot and its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals, plot, summary } from "../../bench/size-report.mjs";
import { readArguments } from "../../bench/size.mjs";

test("sizes: only a complete run is published", () => {
  const whole = readArguments(["--rounds", "3"]);
  assert.deepEqual([whole.everything, whole.few, whole.many], [true, 1_000_000, 10_000_000]);
  assert.deepEqual(whole.trackers, [1, 2, 4]);
  for (const part of [
    ["--quick"],
    ["--many", "20000"],
    ["--stores", "sqlite"],
    ["--parts", "size"],
  ])
    assert.equal(readArguments(part).everything, false, part.join(" "));
});

test("sizes: each rate has a goal", () => {
  const figure = (ratio) => ({
    store: "sqlite",
    what: "x",
    few_per_s: 1,
    many_per_s: ratio,
    ratio,
  });
  const verdicts = goals([figure(0.85), figure(0.849)]).map(({ met }) => met);
  assert.deepEqual(verdicts, [true, false]);
});

test("sizes: rounds with as many trackers are one row and one group of bars", () => {
  const round = (trackers, trackers_s) => ({
    trackers,
    jobs_per_s: 10.4,
    trackers_s,
    database_s: 0.25,
  });
  const rows = summary([round(1, 0.1), round(2, 0.5), round(1, 0.3), round(1, 0.2)]);
  assert.deepEqual(rows, [
    { trackers: 1, jobs_per_s: 10, trackers_s: 0.2, database_s: 0.25 },
    { trackers: 2, jobs_per_s: 10, trackers_s: 0.5, database_s: 0.25 },
  ]);
  const drawn = plot(rows);
  // A bar for each value, and one for each name in the key.
  assert.equal(drawn.match(/<rect class="bar/g).length, 6);
  const heights = [...drawn.matchAll(/class="bar first".* height="([\d.]+)"/g)].map(([, it]) => it);
  assert.ok(Number(heights[1]) > 2 * Number(heights[0]), heights.join());
  assert.match(drawn, /1 tracker<.*2 trackers</s);
});
