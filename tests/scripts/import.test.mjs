// When `npm start` imports the sample's jobs, and when it uses an existing database. The tracker and the
// generator are replaced by scripts that record their arguments.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { importJobs } from "../../scripts/start.mjs";

const onUnix = { skip: process.platform === "win32" && "the programs are shell scripts" };

let folder, wanted, programs, printed;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "distcompute-import-"));
  printed = [];
  const program = (name, script) => {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return file;
  };
  const print = (line) => printed.push(line);
  wanted = { poster: join(folder, "poster.json"), dataDir: join(folder, "data"), print };
  writeFileSync(wanted.poster, '{"width": 1}');
  programs = {
    poster: program("poster", 'cat "$2"; echo'),
    "distcompute-tracker": program(
      "tracker",
      'test ! -e "$0.broken" || exit 1\necho "$1 $2 $4" >> "$0.log"\ncat "$5" >> "${3#sqlite:}"',
    ),
  };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const database = () => readFileSync(join(wanted.dataDir, "poster.db"), "utf8");

test("jobs are imported once, and their parameters are stored", onUnix, async () => {
  const places = await importJobs(wanted, programs);
  assert.equal(database(), '{"width": 1}\n');
  assert.equal(readFileSync(places.imported, "utf8"), '{"width": 1}');
  assert.equal(existsSync(places.jobs), false);
  await importJobs(wanted, programs);
  assert.equal(database(), '{"width": 1}\n');
  assert.equal(readFileSync(join(folder, "tracker.log"), "utf8"), "import --database --jsonl\n");
  assert.deepEqual(printed, []);
});

test("changed parameters are reported, and take effect only with --reset", onUnix, async () => {
  await importJobs(wanted, programs);
  writeFileSync(wanted.poster, '{"width": 2}');
  const { imported } = await importJobs(wanted, programs);
  assert.match(printed.join("\n"), /has changed since[^]*npm start -- --reset/);
  assert.equal(database(), '{"width": 1}\n');
  assert.equal(readFileSync(imported, "utf8"), '{"width": 1}');
  await importJobs({ ...wanted, reset: true }, programs);
  assert.equal(database(), '{"width": 2}\n');
  assert.equal(readFileSync(imported, "utf8"), '{"width": 2}');
});

test("an interrupted import is repeated from the start", onUnix, async () => {
  writeFileSync(join(folder, "tracker.broken"), "");
  await assert.rejects(importJobs(wanted, programs), /exit code 1/);
  writeFileSync(join(wanted.dataDir, "poster.db"), "half of the");
  rmSync(join(folder, "tracker.broken"));
  await importJobs(wanted, programs);
  assert.equal(database(), '{"width": 1}\n');
});

test("a database that npm start did not create is not changed", onUnix, async () => {
  await importJobs(wanted, programs);
  rmSync(join(wanted.dataDir, "poster"), { recursive: true });
  await assert.rejects(importJobs(wanted, programs), /was not made by npm start[^]*--reset/);
  assert.equal(database(), '{"width": 1}\n');
});

test("a missing parameter file is reported with a remedy", async () => {
  const missing = { ...wanted, poster: join(folder, "nothing.json") };
  await assert.rejects(importJobs(missing, programs), /There is no parameter file/);
});
