// Finding browsers and installing packages, with a PATH that the test controls.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import {
  chromedriverCandidates,
  chromiumArgs,
  chromiumCandidates,
  matchingPair,
} from "../../scripts/browsers.mjs";
import { aptInstall } from "../../scripts/debian.mjs";
import { toolEnv, which } from "../../scripts/places.mjs";

const onUnix = { skip: process.platform === "win32" && "the programs are shell scripts" };

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "distcompute-path-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

function program(name, script) {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

test(
  "a browser on PATH is found by any of its names, and a file that is no program is not",
  onUnix,
  () => {
    const chrome = program("google-chrome", "echo Google Chrome 156.0.1.2");
    writeFileSync(join(folder, "chromium"), "text", { mode: 0o644 });
    assert.equal(which("chromium", { PATH: folder }), undefined);
    assert.equal(chromiumCandidates({ PATH: folder })[0], chrome);
  },
);

test("environment variables override all other browsers and drivers", () => {
  assert.deepEqual(chromiumCandidates({ PATH: folder, DISTCOMPUTE_CHROMIUM: "/x" }), ["/x"]);
  assert.deepEqual(chromedriverCandidates({ PATH: folder, CHROMEDRIVER: "/y" }), ["/y"]);
});

test("browser and driver must have the same major version", () => {
  const browsers = [
    { file: "chrome", version: "157.0.1.1" },
    { file: "chromium", version: "156.0.8078.79" },
  ];
  const drivers = [{ file: "chromedriver", version: "156.0.8000.1" }];
  const pair = { chromium: "chromium", chromedriver: "chromedriver" };
  assert.deepEqual(matchingPair(browsers, drivers), pair);
  assert.equal(matchingPair(browsers.slice(0, 1), drivers), undefined);
  assert.equal(matchingPair(browsers, []), undefined);
});

test("the sandbox is disabled only for root", () => {
  assert.ok(chromiumArgs(true).includes("--no-sandbox"));
  assert.ok(!chromiumArgs(false).includes("--no-sandbox"));
});

test(
  "apt: the list is brought up to date once, then packages are installed unasked",
  onUnix,
  async () => {
    const log = join(folder, "apt.log");
    program("apt-get", `echo "$DEBIAN_FRONTEND $*" >> "${log}"`);
    const machine = { allowed: true, env: { PATH: `${folder}:/usr/bin:/bin` } };
    await aptInstall(["chromium", "chromium-driver"], "for the test", machine);
    await aptInstall(["xvfb"], "for the test", machine);
    assert.deepEqual(readFileSync(log, "utf8").trim().split("\n"), [
      "noninteractive update -qq",
      "noninteractive install -y --no-install-recommends chromium chromium-driver",
      "noninteractive install -y --no-install-recommends xvfb",
    ]);
  },
);

test(
  "apt: a failure explains why the package is needed and how to install it",
  onUnix,
  async () => {
    const says = /firefox-esr cannot be installed[^]*It is tested\.[^]*apt-get install firefox-esr/;
    await assert.rejects(aptInstall(["firefox-esr"], "It is tested.", { allowed: false }), says);
    const failing = mkdtempSync(join(folder, "failing-"));
    writeFileSync(join(failing, "apt-get"), "#!/bin/sh\nexit 100\n", { mode: 0o755 });
    const machine = { allowed: true, env: { PATH: failing } };
    const failed = /failed with exit code 100[^]*apt-get install firefox-esr/;
    await assert.rejects(aptInstall(["firefox-esr"], "It is tested.", machine), failed);
  },
);

test("our own tools come first in PATH, also if the variable is spelled differently", () => {
  const env = toolEnv({ MORE: "1" }, { Path: "/before" });
  assert.equal(env.PATH, undefined);
  assert.match(env.Path, /\.tools.bin.*node_modules..bin.*before/);
  assert.equal(env.MORE, "1");
});
