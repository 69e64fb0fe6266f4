import assert from "node:assert/strict";
import { test } from "node:test";

import { after, broken, newCore, totals } from "../../www/core.js";

const job = { type: "job", stage: "a", stageName: "Render", number: 7 };
const told = (...messages) => messages.reduce(after, newCore());

test("a job begins with an empty bar, also after another", () => {
  const core = told(job, { type: "progress", done: 9, total: 10 }, { ...job, number: 8 });
  assert.deepEqual([core.state, core.number, core.done], ["working", 8, 0]);
});

test("jobs done are counted by stage, with their time", () => {
  const render = { type: "done", stage: "a", ms: 300 };
  const core = told(job, render, job, render, job, { type: "done", stage: "b", ms: 20 });
  assert.deepEqual(core.finished, { a: 2, b: 1 });
  assert.equal(core.ms, 620);
});

test("a tile that was sent back is said and counted until the next job is done", () => {
  const core = told(job, { type: "flagged", reason: "sample 3 is wrong" });
  assert.match(core.note, /job 7 .*sample 3 is wrong/);
  assert.equal(core.flagged, 1);
  assert.equal(after(core, { type: "done", stage: "a", ms: 1 }).note, "");
});

test("a core that broke keeps its counts", () => {
  const core = broken(told(job, { type: "done", stage: "a", ms: 300 }), "it died", 5000);
  assert.deepEqual([core.state, core.note, core.until], ["broken", "it died", 5000]);
  assert.equal(totals([core, core]).rendered, 2);
});

test("messages that concern only the page's books change nothing", () => {
  const core = told(job);
  for (const type of ["ready", "registered", "stopped"]) assert.equal(after(core, { type }), core);
});
