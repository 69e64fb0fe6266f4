// Ready-made tools, had from a server of the test instead of GitHub's.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";

import { archivePath, fetchPrebuilt } from "../../scripts/prebuilt.mjs";
import { must } from "../../scripts/process.mjs";

// The tool in these archives is a shell script; Windows has no program that stands for one.
const onUnix = { skip: process.platform === "win32" && "the archives hold shell scripts" };
const version = "0.2.130";
const programs = ["wasm-bindgen", "wasm-bindgen-test-runner"];

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-prebuilt-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** An archive as releases have it: a folder with programs that say `says` as their version. */
async function archive(names, says) {
  const inside = mkdtempSync(join(folder, "archive-"));
  mkdirSync(join(inside, "release"));
  for (const name of names) {
    const file = join(inside, "release", name);
    writeFileSync(file, `#!/bin/sh\necho ${name} ${says}\n`);
    chmodSync(file, 0o644);
  }
  const file = join(inside, "release.tar.gz");
  await must("tar", ["-czf", file, "-C", inside, "release"]);
  return readFileSync(file);
}

/** Fetches from a server that answers with `status` and `body`; resolves with what it was asked. */
async function fetchFrom(status, body, into) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const reason = await fetchPrebuilt({ tool: "wasm-bindgen-cli", version, programs, into, base });
  server.close();
  return { reason, asked };
}

test("the programs of an archive are unpacked, tried and put in place", onUnix, async () => {
  const into = join(folder, "good");
  const { reason, asked } = await fetchFrom(200, await archive(programs, version), into);
  assert.equal(reason, undefined);
  assert.deepEqual(asked, [`/${archivePath("wasm-bindgen-cli", version)}`]);
  for (const program of programs) {
    const { stdout } = await must(join(into, program), ["--version"]);
    assert.equal(stdout.trim(), `${program} ${version}`);
  }
});

test(
  "an archive of another version, or without a program, leaves nothing behind",
  onUnix,
  async () => {
    const into = join(folder, "bad");
    const other = await fetchFrom(200, await archive(programs, "0.2.99"), into);
    assert.match(other.reason, /another version/);
    const half = await fetchFrom(200, await archive(programs.slice(0, 1), version), into);
    assert.match(half.reason, /holds no wasm-bindgen-test-runner/);
    assert.equal(existsSync(into), false);
  },
);

test("a page instead of an archive, and a release that is not there, say so", onUnix, async () => {
  const into = join(folder, "none");
  assert.ok((await fetchFrom(200, "<html>log in</html>", into)).reason);
  assert.match((await fetchFrom(404, "Not Found", into)).reason, /answered 404/);
  assert.equal(existsSync(into), false);
});

test("a host that does not answer is given up, and not asked again", onUnix, async () => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  await new Promise((resolve) => server.close(resolve));
  const wanted = { tool: "wasm-pack", version: "0.15.1", programs: ["wasm-pack"], base };
  assert.match(await fetchPrebuilt(wanted), /does not answer/);
  // Now it would answer.
  let asked = 0;
  const again = createServer((_, response) => (asked++, response.end()));
  await new Promise((resolve) => again.listen(Number(new URL(base).port), "127.0.0.1", resolve));
  assert.match(await fetchPrebuilt(wanted), /does not answer/);
  assert.equal(asked, 0);
  again.close();
});

test("each machine has its archive, and an unknown one has none", () => {
  assert.equal(
    basename(archivePath("wasm-pack", "0.15.1", "linux-x64")),
    "wasm-pack-v0.15.1-x86_64-unknown-linux-musl.tar.gz",
  );
  assert.equal(
    basename(archivePath("geckodriver", "0.37.1", "win32-x64")),
    "geckodriver-v0.37.1-win64.zip",
  );
  assert.equal(archivePath("wasm-pack", "0.15.1", "linux-riscv64"), undefined);
  assert.equal(archivePath("unknown", "1.0.0", "linux-x64"), undefined);
});
