// Downloading precompiled tools, from a local server instead of GitHub.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
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

import { archivePaths, fetchPrebuilt } from "../../scripts/prebuilt.mjs";
import { must } from "../../scripts/process.mjs";

// The tools in these archives are shell scripts, which Windows cannot run.
const onUnix = { skip: process.platform === "win32" && "the archives hold shell scripts" };
const version = "0.2.130";
const programs = ["wasm-bindgen", "wasm-bindgen-test-runner"];

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-prebuilt-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Creates an archive like those of releases: a folder with programs that print `says` as version. */
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

const paths = archivePaths("wasm-bindgen-cli", version);
const sumOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Starts a release server with these answers by path, which records its requests. */
async function serving(answers) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const [status, body, headers] = answers[request.url] ?? [404, "Not Found"];
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, asked, base: `http://127.0.0.1:${server.address().port}` };
}

/** Installs from a server with an archive and its checksum. Resolves to the result and the requests. */
async function fetchFrom(body, into, sum = `${sumOf(body)}  ${basename(paths.archive)}\n`) {
  const answers = { [`/${paths.archive}`]: [200, body], [`/${paths.sum}`]: [200, sum] };
  const { server, asked, base } = await serving(answers);
  const reason = await fetchPrebuilt({ tool: "wasm-bindgen-cli", version, programs, into, base });
  server.close();
  return { reason, asked };
}

test("the programs of an archive are unpacked, run once and installed", onUnix, async () => {
  const into = join(folder, "good");
  const { reason, asked } = await fetchFrom(await archive(programs, version), into);
  assert.equal(reason, undefined);
  assert.deepEqual(asked, [`/${paths.sum}`, `/${paths.archive}`]);
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
    const other = await fetchFrom(await archive(programs, "0.2.99"), into);
    assert.match(other.reason, /another version/);
    const half = await fetchFrom(await archive(programs.slice(0, 1), version), into);
    assert.match(half.reason, /holds no wasm-bindgen-test-runner/);
    assert.equal(existsSync(into), false);
  },
);

test("a page instead of an archive and a missing release are reported", onUnix, async () => {
  const into = join(folder, "none");
  assert.ok((await fetchFrom("<html>log in</html>", into)).reason);
  const { server, base } = await serving({});
  const wanted = { tool: "wasm-bindgen-cli", version, programs, into, base };
  assert.match(await fetchPrebuilt(wanted), /sha256sum answered 404/);
  server.close();
  assert.equal(existsSync(into), false);
});

test("an archive without a valid checksum is neither unpacked nor run", onUnix, async () => {
  const into = join(folder, "sums");
  const [good, other] = [await archive(programs, version), await archive(programs, "0.2.129")];
  const name = basename(paths.archive);
  for (const [sum, reason] of [
    [`${sumOf(other)}  ${name}\n`, /does not have the checksum/],
    [`${sumOf(good)}  another.tar.gz\n`, /no valid checksum of/],
    ["<html>log in</html>", /no valid checksum of/],
    ["", /no valid checksum of/],
  ]) {
    assert.match((await fetchFrom(good, into, sum)).reason, reason);
    assert.equal(existsSync(into), false);
  }
  const bare = await fetchFrom(good, into, sumOf(good).toUpperCase());
  assert.equal(bare.reason, undefined);
});

test("a redirect is followed, but not to an address without TLS", onUnix, async () => {
  const good = await archive(programs, version);
  const wanted = { tool: "wasm-bindgen-cli", version, programs };
  const sum = [200, sumOf(good)];
  const moved = (to) => ({
    [`/${paths.sum}`]: sum,
    [`/${paths.archive}`]: [302, "", { location: to }],
  });
  const within = await serving({ ...moved("/elsewhere"), "/elsewhere": [200, good] });
  const into = join(folder, "moved");
  assert.equal(await fetchPrebuilt({ ...wanted, into, base: within.base }), undefined);
  within.server.close();
  const out = await serving(moved("http://releases.example/archive"));
  const reason = await fetchPrebuilt({ ...wanted, into: join(folder, "out"), base: out.base });
  assert.match(reason, /leads to http:\/\/releases\.example\/archive, which is not encrypted/);
  out.server.close();
  const round = await serving(moved(`/${paths.archive}`));
  const endless = await fetchPrebuilt({ ...wanted, into: join(folder, "out"), base: round.base });
  assert.match(endless, /too many redirects/);
  round.server.close();
  assert.equal(existsSync(join(folder, "out")), false);
});

test("only a server on this machine can replace the release host", async () => {
  const wanted = { tool: "wasm-bindgen-cli", version, programs };
  for (const host of [
    "https://releases.example",
    "http://127.0.0.1.example",
    "http://localhost.example",
    "http://192.0.2.1:8080",
    "http://127.0.0.1@releases.example",
    "nonsense",
    "",
  ]) {
    assert.match(await fetchPrebuilt({ ...wanted, base: host }), /only this machine may stand in/);
    process.env.DISTCOMPUTE_RELEASES = host;
    try {
      assert.match(await fetchPrebuilt(wanted), /only this machine may stand in/);
    } finally {
      delete process.env.DISTCOMPUTE_RELEASES;
    }
  }
});

test("a host that does not answer is tried only once", onUnix, async () => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  await new Promise((resolve) => server.close(resolve));
  const wanted = { tool: "wasm-bindgen-cli", version, programs, base };
  assert.match(await fetchPrebuilt(wanted), /does not answer/);
  // From now on the host would answer.
  let asked = 0;
  const again = createServer((_, response) => (asked++, response.end()));
  await new Promise((resolve) => again.listen(Number(new URL(base).port), "127.0.0.1", resolve));
  assert.match(await fetchPrebuilt(wanted), /does not answer/);
  assert.equal(asked, 0);
  again.close();
});

test("the archive depends on the machine, and tools without checksums have none", () => {
  const named = (tool, machine) => archivePaths(tool, "1.2.3", machine);
  assert.deepEqual(
    Object.values(named("cargo-deny", "linux-x64")).map((path) => basename(path)),
    [
      "cargo-deny-1.2.3-x86_64-unknown-linux-musl.tar.gz",
      "cargo-deny-1.2.3-x86_64-unknown-linux-musl.tar.gz.sha256",
    ],
  );
  assert.equal(
    basename(named("wasm-bindgen-cli", "win32-x64").sum),
    "wasm-bindgen-1.2.3-x86_64-pc-windows-msvc.tar.gz.sha256sum",
  );
  assert.equal(named("wasm-bindgen-cli", "linux-riscv64"), undefined);
  for (const tool of ["wasm-pack", "geckodriver", "unknown"]) {
    assert.equal(named(tool, "linux-x64"), undefined);
  }
});
