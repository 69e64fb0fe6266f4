// What `distcompute map` gives to functions and to trackers.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { partsOf } from "../../../packages/distcompute/src/map/handler.js";
import { importInputs } from "../../../packages/distcompute/src/map/importer.js";
import { Progress } from "../../../packages/distcompute/src/map/progress.js";
import { State } from "../../../packages/distcompute/src/map/state.js";
import { Unanswered } from "../../../packages/distcompute/src/tracker.js";

test("a function is given only what a function of ours returned", async () => {
  const seen = [];
  const stages = { a: (input) => seen.push(input), b: async (input) => seen.push(input) };
  const { handler } = partsOf({ stages });
  assert.deepEqual(handler({ data: [null], stage: "a" }, {}), [1]);
  assert.deepEqual(await handler({ data: [[1, 2]], stage: "b" }, {}), [2]);
  for (const data of ["junk", "", [], [1, 2], { 0: 1 }, { length: 1, 0: 1 }, null]) {
    assert.throws(() => handler({ data, stage: "b" }, {}), /input of stage b is no output/);
  }
  assert.deepEqual(seen, [null, [1, 2]]);
});

test("jobs whose import was not answered are added once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-inputs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const inputs = join(folder, "inputs");
  writeFileSync(inputs, "1\n2\n3\n4\n5\n");
  /** A tracker that does what its next call is told to: how many jobs arrive, and whether it answers. */
  const run = async (calls, { isPatient = true } = {}) => {
    const jobs = [];
    const operator = {
      isPatient,
      status: async () => ({ jobs: jobs.length }),
      async addJobs(lines) {
        const { arrive = lines.length, answers = true, foreign = 0 } = calls.shift() ?? {};
        for (let at = 0; at < foreign; at += 1) jobs.push("foreign");
        const first = jobs.length + 1;
        jobs.push(...lines.slice(0, arrive));
        if (!answers) throw new Unanswered("It broke off.");
        return { added: arrive, numbers: [{ first, last: jobs.length }] };
      },
    };
    const state = new State(mkdtempSync(join(folder, "state-")));
    const progress = new Progress();
    const options = /** @type {any} */ ({ inputs, txt: false, state: "state" });
    const signal = new AbortController().signal;
    const parts = { options, state, operator, progress, signal, underWayMs: 0 };
    try {
      await importInputs(/** @type {any} */ (parts));
    } finally {
      state.close();
    }
    return { jobs, total: progress.total };
  };
  const whole = { jobs: ["[1]", "[2]", "[3]", "[4]", "[5]"], total: 5 };
  assert.deepEqual(await run([]), whole);
  for (const arrive of [0, 2, 5]) {
    const lost = { arrive, answers: false };
    assert.deepEqual(await run([lost]), whole, `${arrive} arrived`);
    await assert.rejects(run([lost], { isPatient: false }), /broke off/);
  }
  await assert.rejects(run([{ foreign: 1 }]), /Somebody else adds jobs/);
});
