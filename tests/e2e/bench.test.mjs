// The client's benchmark in one short round: its contenders do work, and its counting agrees with
// what is known of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openSetting } from "../../bench/browser.mjs";
import { calibrate, measureAll } from "../../bench/client.mjs";

test("the contenders work, and each asks as often as it should", async (t) => {
  const setting = await openSetting({ jobs: 50_000 });
  t.after(() => setting.close());
  const turns = await calibrate(setting, 2);
  // Long enough for a dozen jobs of the slowest: one request more or less is then no matter.
  const wanted = { jobs: [10], rounds: 1, seconds: 4, workers: 2, turns };
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
  // Every answer comes 100 ms late, and only the engine does not wait for it.
  assert.ok(of["engine, sync"].jobs_per_s > 3 * of["two calls"].jobs_per_s);
});
