import assert from "node:assert/strict";
import { test } from "node:test";

test("a server that renders pages, and has no elements, can import the panel", async () => {
  assert.equal(typeof globalThis.HTMLElement, "undefined");
  const panel = await import("../../packages/volunteer-panel/src/index.js");
  assert.deepEqual(Object.keys(panel).sort(), ["DistcomputeVolunteer", "languages"]);
});
