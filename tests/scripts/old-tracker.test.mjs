// The server of the first protocol, started like in the end-to-end tests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startOldTracker } from "../old/server.mjs";

test("it serves jobs and a page at one origin, and reports its state", async (t) => {
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
