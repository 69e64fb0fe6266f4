// Version numbers in the output of programs and in lock files.

import assert from "node:assert/strict";
import { test } from "node:test";

import { atLeast, lockedVersion, major, stalePackages, versionIn } from "../../scripts/version.mjs";

test("the version is found in the output of programs", () => {
  assert.equal(versionIn("wasm-bindgen 0.2.130 (4a1e3a1a2)"), "0.2.130");
  assert.equal(versionIn("Chromium 156.0.8078.79 built on Debian GNU/Linux 12"), "156.0.8078.79");
  assert.equal(versionIn("Python 3.11.7"), "3.11.7");
  assert.equal(versionIn("no number"), undefined);
  assert.equal(versionIn(undefined), undefined);
});

test("the major version is the first number", () => {
  assert.equal(major("156.0.8078.79"), 156);
  assert.equal(major(undefined), undefined);
});

test("versions are compared numerically, not alphabetically", () => {
  assert.ok(atLeast("3.11.7", "3.8.0"));
  assert.ok(atLeast("3.8.0", "3.8.0"));
  assert.ok(!atLeast("3.7.17", "3.8.0"));
  assert.ok(!atLeast("2.9.9", "3.8.0"));
  assert.ok(!atLeast(undefined, "3.8.0"));
});

test("Cargo.lock: the version of exactly this crate, not of one with a longer name", () => {
  const lock = `[[package]]
name = "wasm-bindgen-futures"
version = "0.4.80"

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
`;
  assert.equal(lockedVersion(lock, "wasm-bindgen"), "0.2.130");
  assert.equal(lockedVersion(lock, "bindgen"), undefined);
  assert.equal(lockedVersion(lock.replaceAll("\n", "\r\n"), "wasm-bindgen"), "0.2.130");
});

test("npm: packages that are missing or of another version are stale, optional ones are not", () => {
  const lock = {
    packages: {
      "": { name: "distcompute" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0" },
      "node_modules/c": { version: "3.0.0" },
      "node_modules/c-windows": { version: "3.0.0", optional: true },
    },
  };
  const installed = {
    packages: { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "1.9.0" } },
  };
  const names = stalePackages(JSON.stringify(lock), JSON.stringify(installed));
  assert.deepEqual(names, ["node_modules/b", "node_modules/c"]);
});
