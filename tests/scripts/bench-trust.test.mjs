// The benchmark of liars: which runs are complete, and the evaluation of its goals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { goals } from "../../bench/trust-report.mjs";
import { readArguments } from "../../bench/trust.mjs";

const figure = (more) => ({
  ...{ scheme: "adaptive:20", liars: "none", share: 0, jobs_each: 1000, wrong_share: 0 },
  ...{ executions_per_job: 1.2, operator_per_job: 0, bound: 0, set_aside: 0, honest_on_hold: 0 },
  ...{ unfinished: 0, ...more },
});
const named = (figures, what) => goals(figures).find((goal) => goal.what.startsWith(what));

test("only a complete run is published", () => {
  assert.equal(readArguments([]).everything, true);
  assert.equal(readArguments(["--quick"]).everything, false);
  assert.equal(readArguments(["--seeds", "3"]).everything, false);
});

test("a goal is judged by the worst of the figures that it is about", () => {
  const half = { liars: "all kinds", share: 0.1 };
  const figures = [
    figure({ ...half, wrong_share: 0.0005 }),
    figure({ ...half, jobs_each: 200, wrong_share: 0.0015 }),
    figure({ ...half, liars: "rubbish", wrong_share: 0.5 }),
  ];
  const { value, met } = named(figures, "10 % of all kinds: % wrong") ?? {};
  assert.deepEqual([value, met], [0.15, false]);
  assert.equal(named(figures.slice(0, 1), "10 % of all kinds: % wrong")?.met, true);
  assert.equal(named(figures, "30 %"), undefined);
});

test("liars that help each other count only where a goal includes them", () => {
  const clique = { scheme: "adaptive:40", liars: "one clique", share: 0.3, wrong_share: 0.001 };
  const figures = [figure(clique), figure({ ...clique, liars: "rubbish", wrong_share: 0.0001 })];
  assert.equal(named(figures, "30 %, 40 confirmations: % wrong")?.value, 0.1);
  assert.equal(named(figures, "30 %, 40 confirmations, not")?.value, 0.01);
});
