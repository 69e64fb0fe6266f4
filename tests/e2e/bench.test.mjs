// One short round of the client's benchmark: all contenders complete jobs, and the measured numbers of
// requests are the expected ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openSetting } from "../../bench/browser.mjs";
import { calibrate, measureAll } from "../../bench/client.mjs";

test("each contender completes jobs with the expected number of requests", async (t) => {
  const setting = await openSetting({ jobs: 50_000 });
  t.after(() => setting.close());
  const turns = await calibrate(setting, 2);
  // Long enough for a dozen jobs of the slowest contender, so that a single request hardly matters.
  const wanted = { jobs: [10], rounds: 1, seconds: 4, workers: [2], turns };
  const contenders = ["memory", "five", "two", "sync", "old"];
  const rounds = await measureAll(setting, { ...wanted, contenders });
  const of = Object.fromEntries(rounds.map((one) => [one.contender, one]));
  const requests = Object.entries(of).map(([name, one]) => [name, one.requests_per_job]);
  const between = (name, least, most) => {
    const value = of[name].requests_per_job;
    assert.ok(value >= least && value <= most, `${name}: ${JSON.stringify(requests)}`);
  };
  assert.equal(of.memory.efficiency, 1);
  assert.ok(of.memory.took_ms > 5, `a job of 10 ms took ${of.memory.took_ms} ms`);
  between("five calls", 4.5, 5.5);
  between("two calls", 1.8, 2.2);
  between("engine, old", 1.8, 2.5);
  between("engine, sync", 0, 0.2);
  // Every answer is delayed by 100 ms, and only the engine computes in the meantime.
  assert.ok(of["engine, sync"].jobs_per_s > 3 * of["two calls"].jobs_per_s);
});
