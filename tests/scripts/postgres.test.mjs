// Finding PostgreSQL. Starting and stopping a cluster is covered by the tests that use one.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { binCandidates } from "../../scripts/postgres.mjs";

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-bin-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the newest of several versions is used", () => {
  for (const version of ["9", "15", "17"]) mkdirSync(join(folder, version));
  const expected = ["17", "15", "9"].map((version) => join(folder, version, "bin"));
  assert.deepEqual(binCandidates({ PATH: "" }, folder), expected);
});

test("the environment variable overrides all other folders", () => {
  assert.deepEqual(binCandidates({ PATH: "", DISTCOMPUTE_POSTGRES_BIN: "/x" }, folder), ["/x"]);
});

test("without an installation there are no candidates", () => {
  assert.deepEqual(binCandidates({ PATH: "" }, join(folder, "none")), []);
});
