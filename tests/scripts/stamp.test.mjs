// Stamps: which changes of the inputs they detect.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { filesUnder, hashOf, isStamped, writeStamp } from "../../scripts/stamp.mjs";

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-stamp-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

const source = () => join(folder, "src");
beforeEach(() => {
  rmSync(source(), { recursive: true, force: true });
  mkdirSync(join(source(), "web"), { recursive: true });
  writeFileSync(join(source(), "lib.rs"), "a");
  writeFileSync(join(source(), "web", "client.rs"), "b");
});

test("the content, name and folder of each file count", () => {
  const hash = hashOf([source()]);
  assert.equal(hashOf([source()]), hash);
  writeFileSync(join(source(), "lib.rs"), "A");
  assert.notEqual(hashOf([source()]), hash);
  writeFileSync(join(source(), "lib.rs"), "a");
  assert.equal(hashOf([source()]), hash);
  renameSync(join(source(), "lib.rs"), join(source(), "main.rs"));
  assert.notEqual(hashOf([source()]), hash);
});

test("words count too, for example the version of the compiler", () => {
  assert.notEqual(hashOf([source()], ["rustc 1.95"]), hashOf([source()], ["rustc 1.96"]));
});

test("generated files do not count", () => {
  const hash = hashOf([source()]);
  for (const name of ["pkg", "target", "node_modules", ".data"]) {
    mkdirSync(join(source(), name));
    writeFileSync(join(source(), name, "file"), "x");
  }
  assert.equal(hashOf([source()]), hash);
  assert.equal(filesUnder(source()).length, 2);
});

test("a stamp matches only its own hash, and a missing stamp matches none", () => {
  const file = join(folder, "stamps", "web");
  assert.equal(isStamped(file, "abc"), false);
  writeStamp(file, "abc");
  assert.equal(isStamped(file, "abc"), true);
  assert.equal(isStamped(file, "abd"), false);
  assert.deepEqual(filesUnder(join(folder, "nowhere")), []);
});
