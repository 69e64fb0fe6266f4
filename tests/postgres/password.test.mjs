// A tracker whose password PostgreSQL rejects reports that and does not start.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { ensurePostgres, startPostgres } from "../../scripts/postgres.mjs";
import { must, run } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { startTracker } from "./trackers.mjs";

test("a wrong password is reported clearly, and the right one works", async (t) => {
  const bin = await ensurePostgres();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-password-"));
  t.after(() => rmSync(folder, { recursive: true }));
  // The server runs as another user, and has to read this file.
  chmodSync(folder, 0o755);
  const rules = join(folder, "pg_hba.conf");
  writeFileSync(
    rules,
    "host all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
  );
  const postgres = await startPostgres({ bin, settings: [`hba_file=${rules}`] });
  t.after(() => postgres.stop());
  const sql = (text) => must(join(bin, "psql"), ["-X", "-q", "-d", postgres.url, "-c", text]);
  await sql("create role ann login password 'right'");
  await sql("create database jobs owner ann");
  const as = (password) =>
    postgres.url.replace(/\/\/.*@/, `//ann:${password}@`).replace(/[^/]*$/, "jobs");

  const args = ["serve", "--listen", "127.0.0.1:0", "--database", as("wr0ng")];
  const { code, stderr } = await run(await testTracker(), args, { timeoutMs: 60_000 });
  assert.notEqual(code, 0);
  assert.match(stderr, /cannot be opened: .*password authentication failed for user "ann"/);
  assert.doesNotMatch(stderr, /wr0ng/);

  const tracker = await startTracker(as("right"));
  assert.equal(await tracker.stop(), 0);
});
