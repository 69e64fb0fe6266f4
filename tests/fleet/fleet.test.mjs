// A small fleet; `npm run fleet` runs a large one. The environment says where the S3 server is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { buildCloudTracker } from "../../scripts/build.mjs";
import { runFleet } from "./fleet.mjs";

const jobs = 60;

test("what was answered with success survives a tracker, the store and the database that fail", async (t) => {
  const program = await buildCloudTracker({ profile: "dev" });
  const small = { browsers: 20, jobs, bytes: 1_000_000, storeAwayS: 5 };
  const log = (line) => t.diagnostic(line);
  const ended = await runFleet({ program, env: process.env, log, ...small });
  assert.equal(ended.results, 2 * jobs);
  // The inputs, and what both stages have made of them.
  assert.equal(ended.files, 3 * jobs);
  assert.ok(ended.swept.files >= 1 && ended.swept.parts >= 1);
  assert.ok(ended.repeated > 0, "nothing failed");
});
