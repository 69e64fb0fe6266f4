import assert from "node:assert/strict";
import { test } from "node:test";

import { pictureShare } from "../../www/share.js";

/** The status of a volunteer. */
const status = (state, code, elsewhere = null) => ({ state, reason: { code }, elsewhere });

test("the picture gets no share before the first job, and then a quarter", () => {
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

test("the jobs of another tab take precedence too", () => {
  const computing = status("elsewhere", "another_tab", status("computing", "computing"));
  assert.equal(pictureShare(computing, false), 0.25);
  const paused = status("elsewhere", "another_tab", status("paused", "paused"));
  assert.equal(pictureShare(paused, false), 1);
});
