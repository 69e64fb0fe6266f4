import assert from "node:assert/strict";
import { test } from "node:test";

import { pictureShare } from "../../www/share.js";

/** A volunteer that does what these say. */
const status = (state, code, elsewhere = null) => ({ state, reason: { code }, elsewhere });

test("the picture waits for the first job, then takes a quarter of the line", () => {
  for (const [state, code, wanted, share] of [
    ["stopped", "stopped", false, 1],
    ["starting", "starting", true, 0],
    ["waiting", "fetching", true, 0],
    ["computing", "computing", true, 0.25],
    ["waiting", "unreachable", true, 0],
    ["waiting", "asked_to_wait", true, 0],
    ["waiting", "no_jobs", true, 1],
    ["paused", "paused", true, 1],
    ["failed", "failed", false, 1],
  ]) {
    assert.equal(pictureShare(status(state, code), wanted), share, `${state}, ${code}`);
  }
});

test("the jobs of another tab come first too", () => {
  const computing = status("elsewhere", "another_tab", status("computing", "computing"));
  assert.equal(pictureShare(computing, false), 0.25);
  const paused = status("elsewhere", "another_tab", status("paused", "paused"));
  assert.equal(pictureShare(paused, false), 1);
});
