import assert from "node:assert/strict";
import { test } from "node:test";

import { bundledShell, committedShell } from "../../scripts/shell.mjs";

test("the scripts in one file are those of their folder: `npm run shell` brings them up to date", async () => {
  assert.equal(committedShell(), await bundledShell());
});
