// The benchmark of the crawl example: which runs are complete, and the evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { course, goals, rates } from "../../bench/crawl-report.mjs";
import { readArguments } from "../../bench/crawl.mjs";

const round = (engine, ...milliseconds) => ({
  ...{ engine, version: "1", archive: 20, plain: 50, milliseconds, load: 1 },
});

test("only a complete run is published", () => {
  assert.equal(readArguments([]).everything, true);
  assert.equal(readArguments(["--megabytes", "10"]).everything, false);
  assert.deepEqual(readArguments(["--parts", "kernels", "--engines", "WebKit"]).engines, [
    "WebKit",
  ]);
});

test("rates are those of the least times", () => {
  const kernels = rates([
    round("native", 1000, 2000, 1000, 500, 500),
    round("WebKit", 2000, 9000, 2000, 1000, 1000),
    round("native", 2000, 1000, 1000, 500, 1000),
    round("WebKit", 9000, 2500, 2000, 1000, 1000),
  ]);
  assert.deepEqual(
    kernels.map(({ extract, clean, together }) => [extract, clean, together]),
    [
      [50, 50, 12.5],
      [25, 20, 5.9],
    ],
  );
  const [judged] = goals({ kernels, whole: [] });
  assert.deepEqual([judged.met, judged.value], [false, 5.9 / 12.5]);
});

test("memory that grows misses the goal, and that of the beginning does not count", () => {
  const flat = course([10, 100, 110, 100, 110, 100, 100, 110].map((mb) => ({ mb })));
  const grows = course([10, 20, 30, 40, 50, 60, 70, 80].map((mb) => ({ mb })));
  const whole = [
    { what: "all", seconds: 1 },
    { what: "browser 1", ...flat },
    { what: "browser 2", ...grows },
    { what: "tracker", ...flat },
  ];
  const judged = goals({ kernels: [], whole });
  assert.deepEqual(
    judged.map(({ met }) => met),
    [false, true],
  );
  assert.equal(flat.most_mb, 110);
});
