// What is published: the packed packages, judged and installed as a user does; the crates; the checksums.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";

import * as artefacts from "../../scripts/artefacts.mjs";
import { buildPackage } from "../../scripts/build.mjs";
import { npmCommand, root, toolEnv } from "../../scripts/places.mjs";
import { ownPlatform, packageName, platforms } from "../../scripts/platforms.mjs";
import { writeTrackerPackage } from "../../scripts/platforms.mjs";
import { must, run } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";

const { packNpm, stagePackage, judge, packCrates, sizes, writeSums } = artefacts;

let folder;
let archives;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "distcompute-package-"));
  const client = await buildPackage();
  const platform = ownPlatform();
  const tracker = join(folder, "staged", "tracker");
  const version = artefacts.workspaceField("version");
  const repository = artefacts.workspaceField("repository");
  // The program of other tests, which is not optimised, without its debug information.
  const program = join(folder, "distcompute-tracker");
  await must("strip", ["-o", program, await testTracker()]);
  writeTrackerPackage({
    platform,
    program,
    version,
    repository,
    into: tracker,
  });
  const staged = artefacts.npmPackages.map((name) => {
    const into = join(folder, "staged", name);
    stagePackage({ name, into, platforms: [platform] });
    return into;
  });
  archives = [];
  for (const one of [client, tracker, ...staged]) archives.push(await packNpm(one, folder));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the packed packages have no problem that publint or attw knows", () => judge(archives));

test("the command finds the tracker of the optional dependency", async () => {
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }));
  writeFileSync(join(project, "square.js"), "export default (input) => input ** 2;\n");
  const [npm, ...first] = npmCommand();
  const wanted = archives.filter((name) => !basename(name).startsWith("create-"));
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", ...wanted];
  await must(npm, [...first, ...args], { cwd: project });
  const { DISTCOMPUTE_TRACKER_PROGRAM: _, ...env } = toolEnv();
  const installed = join(project, "node_modules", packageName(ownPlatform()), "bin");
  const program = join(project, "node_modules", "distcompute", "bin", "distcompute.js");
  const map = ["map", "./square.js", "--listen", "127.0.0.1:0"];
  const options = { cwd: project, env, input: "1\n2\n3\n", timeoutMs: 120_000 };
  const { stdout } = await must(process.execPath, [program, ...map], options);
  assert.equal(stdout, "1\n4\n9\n");

  // It was that program: without it, there is none.
  rmSync(installed, { recursive: true });
  const bare = { ...options, env: { ...env, PATH: "/nowhere" } };
  const { code, stderr } = await run(process.execPath, [program, ...map, "--fresh"], bare);
  assert.equal(code, 1);
  assert.match(stderr, /The tracker's program distcompute-tracker was not found/);
});

test("a package of a platform is for that platform only", () => {
  assert.equal(new Set(platforms.map(packageName)).size, platforms.length);
  const platform = platforms.find(({ os }) => os === "win32");
  const into = join(folder, "windows");
  const program = join(folder, "distcompute-tracker");
  writeTrackerPackage({ platform, program, version: "1.2.3", repository: "https://x", into });
  const manifest = JSON.parse(readFileSync(join(into, "package.json"), "utf8"));
  assert.equal(manifest.name, "@distcompute/tracker-win32-x64");
  assert.deepEqual([manifest.os, manifest.cpu, manifest.version], [["win32"], ["x64"], "1.2.3"]);
  assert.ok(readFileSync(join(into, "bin", "distcompute-tracker.exe")).length > 1000);
  assert.equal(ownPlatform({ platform: "aix", arch: "ppc64" }), undefined);
});

test("the crates can be published one after the other, with the client in the tracker's", async () => {
  const made = await packCrates({ into: folder, isVerified: false });
  const { stdout } = await must("tar", ["-tzf", made.at(-1)]);
  for (const file of [/\/client\/[^/]+\/distcompute_client_bg\.wasm$/m, /\/README\.md$/m]) {
    assert.match(stdout, file);
  }
  const manifest = await must("tar", ["-xOzf", made.at(-1), "--wildcards", "*/Cargo.toml"]);
  // By its version and not by its folder, which `cargo install` does not have.
  assert.match(manifest.stdout, /\[dependencies\.distcompute-protocol\]\nversion = "/);
  assert.doesNotMatch(manifest.stdout, /^path = "\.\./m);
});

test("the checksums are those of the files, and a file that is too large is refused", async () => {
  writeSums(folder, archives);
  await must("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder });
  const client = archives.filter((name) => basename(name).startsWith("distcompute-client-"));
  assert.match(sizes(client), /^ +\d+ KB {2}distcompute-client-/);
  const large = join(folder, "distcompute-client-9.tgz");
  writeFileSync(large, Buffer.alloc(500_000));
  assert.throws(() => sizes([large]), /more than/);
});

test("all versions agree", () => {
  const found = artefacts.versions();
  assert.ok(Object.keys(found).length >= 8, JSON.stringify(found));
  const version = artefacts.workspaceField("version");
  assert.deepEqual([...new Set(Object.values(found))], [version]);
  const { name, private: isPrivate } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.deepEqual([name, isPrivate], ["distcompute", true], "the repository is not published");
});
