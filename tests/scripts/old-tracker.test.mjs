// The tracker in Python, started as the end-to-end tests do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startOldTracker } from "../old/tracker.mjs";

test("it serves jobs and a page at one address, and says what it has", async (t) => {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const stages = { a: "Render" };
  const tracker = await startOldTracker({ jobs: 2, stages, files: { "/page": here } });
  t.after(() => tracker.stop());
  const registered = await fetch(`${tracker.url}/api/new?stage=a&nickname=Ada`);
  assert.equal((await registered.json()).stage_name, "Render");
  const page = await fetch(`${tracker.url}/page/old-tracker.test.mjs`);
  assert.equal(page.headers.get("content-type"), "text/javascript; charset=utf-8");
  const { jobs, workers } = await tracker.state();
  assert.deepEqual([jobs.length, workers.map(({ nickname }) => nickname)], [2, ["Ada"]]);
  await tracker.forget();
  assert.deepEqual((await tracker.state()).workers, []);
});
