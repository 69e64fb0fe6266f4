// The benchmark of attacks: which runs are complete, the schedule of attackers, what counts as lost, and the
// evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { quantile } from "../../bench/figures.mjs";
import { figureOf, goals, statusesText } from "../../bench/hostile-report.mjs";
import { readArguments } from "../../bench/hostile.mjs";
import { dueMs, refused, retryMs } from "../../bench/hostile/pace.mjs";

test("only a complete run is published", () => {
  const whole = readArguments(["--seconds", "3"]);
  assert.deepEqual([whole.everything, whole.attacks.length], [true, 11]);
  const part = readArguments(["--attacks", "u0000,slow", "--stores", "postgres"]);
  assert.deepEqual(part.attacks, ["u0000", "slow"]);
  assert.deepEqual([part.stores, part.everything], [["postgres"], false]);
  const quick = readArguments(["--quick"]);
  assert.deepEqual([quick.seconds, quick.everything], [3, false]);
  assert.throws(() => readArguments(["--attacks", "kindness"]), /Invalid option/);
});

test("a quantile is one of the values, and a share of all values does not exceed it", () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  assert.deepEqual(
    [0.5, 0.99, 1].map((share) => quantile(hundred, share)),
    [50, 99, 100],
  );
  assert.equal(quantile([7], 0.99), 7);
});

test("an attack starts in all lanes at once, and a given number of steps is spread over the time", () => {
  const free = { lanes: 4, seconds: 10 };
  assert.deepEqual([dueMs(0, free), dueMs(4_000, free)], [0, 0]);
  const counted = { ...free, steps: 8 };
  const due = Array.from({ length: 9 }, (_, count) => dueMs(count, counted));
  assert.deepEqual(due, [0, 0, 0, 0, 2_000, 4_000, 6_000, 8_000, Infinity]);
  assert.equal(dueMs(2, { ...free, steps: 2 }), 0);
});

test("answers are final unless clients retry them according to the protocol", () => {
  assert.equal(retryMs({}), 1_000);
  assert.equal(retryMs({ status: 429, headers: { "retry-after": "3" } }), 3_000);
  assert.equal(retryMs({ status: 503, headers: {} }), 1_000);
  for (const status of [200, 404, 422, 500]) assert.equal(retryMs({ status }), undefined);
});

test("a result that is not reported as accepted is lost", () => {
  const done = [{ lease: "a" }, { lease: "b" }, { lease: "c" }];
  assert.equal(refused(done, { accepted: ["c", "a", "x"] }), 1);
  assert.equal(refused([], { accepted: [] }), 0);
});

const report = { steps: 9, statuses: { 422: 1_009 }, notes: {} };

function run(time, { lost = 0, lostLater = 0, rss_mb = 40 } = {}) {
  const times = [1, time];
  return { window: { lost, syncs: 2, times }, lostLater, rss_mb, log_lines: 1, report };
}

test("a figure is relative to the sink, and results refused after the attack count as lost", () => {
  const tracker = run(25, { lost: 2, lostLater: 1 });
  const figure = figureOf({ attack: "u0000", store: "sqlite", sink: run(10), tracker });
  assert.deepEqual(figure, {
    ...{ attack: "u0000", store: "sqlite", honest_lost: 3, p99_ratio: 2.5, rss_mb: 40 },
    ...{ p99_ms: 25, sink_p99_ms: 10, honest_syncs: 2, log_lines: 1, ...report },
  });
  assert.equal(statusesText(figure.statuses), "1,009 × 422");
  assert.equal(statusesText({}), "nothing");
});

test("each goal is evaluated with the worst of all attacks", () => {
  const of = (tracker) => figureOf({ attack: "slow", store: "sqlite", sink: run(10), tracker });
  const met = (...runs) => goals(runs.map(of)).map(({ met }) => met);
  assert.deepEqual(met(run(29), run(5)), [true, true, true]);
  assert.deepEqual(met(run(29), run(30, { lost: 1, rss_mb: 300 })), [false, false, false]);
  // The memory is unknown without /proc.
  assert.deepEqual(met({ ...run(1), rss_mb: undefined }), [true, true]);
});
