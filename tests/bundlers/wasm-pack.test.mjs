// `wasm-pack build` produces the same package as this repository's own build, and it can be used as it is.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { targets } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { makeWasmPackage } from "../../scripts/wasm-package.mjs";
import { runIn } from "./project.mjs";

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-wasm-pack-"))));
after(() => rmSync(folder, { recursive: true }));

/** All files in a folder, without wasm-pack's .gitignore. */
function filesIn(made) {
  const entries = readdirSync(made, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== ".gitignore");
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(made.length)).sort();
}

for (const target of targets) {
  test(`wasm-pack's package for ${target} is this repository's`, async () => {
    const [ours, theirs] = ["ours", "theirs"].map((name) => join(folder, `${name}-${target}`));
    const args = ["build", root, "--target", target, "--out-dir", theirs, "--mode", "no-install"];
    // At once, because most of the time goes to wasm-opt, which uses one core.
    await Promise.all([
      makeWasmPackage({ crate: "distcompute-client", target, outDir: ours }),
      runIn(root, "wasm-pack", args),
    ]);
    assert.deepEqual(filesIn(ours), filesIn(theirs));
    const read = (from, name) => readFileSync(join(from, name));
    for (const name of filesIn(ours).filter((name) => !name.endsWith("package.json")))
      assert.ok(read(ours, name).equals(read(theirs, name)), name);
    const { files, ...manifest } = JSON.parse(String(read(ours, "package.json")));
    const { files: fewer, ...expected } = JSON.parse(String(read(theirs, "package.json")));
    assert.deepEqual(manifest, expected);
    // npm does not include licences with these names unless they are listed.
    assert.deepEqual(
      [...new Set([...fewer, "LICENSE-APACHE", "LICENSE-MIT"])].sort(),
      files.sort(),
    );
  });
}

test("a package that is not loaded yet says so", async () => {
  const made = join(folder, "theirs-web", "distcompute_client.js");
  const { init, load, work, NotLoadedError, Volunteer } = await import(pathToFileURL(made));
  const isSaid = (error) => error instanceof NotLoadedError && /loadWasm\(\)/.test(error.message);
  await assert.rejects(init({}), isSaid);
  assert.throws(() => load({}), isSaid);
  assert.throws(() => new Volunteer({}), isSaid);
  assert.equal(typeof work, "function");
});

test("a package for Node.js is loaded when it is imported", async () => {
  const made = join(folder, "theirs-nodejs", "distcompute_client.js");
  const { default: client } = await import(pathToFileURL(made));
  const isRefused = (error) => error instanceof client.InvalidArgumentError;
  await assert.rejects(client.init({}), isRefused);
  assert.throws(() => new client.Volunteer({}), isRefused);
  const spawn = () => {};
  const volunteer = new client.Volunteer({ url: "http://127.0.0.1:9", stage: "a", spawn });
  assert.ok(volunteer instanceof client.Volunteer);
  assert.equal(volunteer.status.state, "stopped");
  volunteer.free();
});
