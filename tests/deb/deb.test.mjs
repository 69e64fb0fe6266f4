// The Debian package: installed with dpkg, started as its unit says, updated, removed and purged. All of it happens
// in an overlay over this machine's files, so that nothing of it stays. Needs Debian and root.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { makeDeb } from "../../scripts/deb.mjs";
import { must } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";

let deb;
before(async () => {
  const into = mkdtempSync(join(tmpdir(), "distcompute-deb-"));
  process.once("exit", () => rmSync(into, { recursive: true, force: true }));
  deb = await makeDeb({ program: await testTracker(), into, isQuick: true });
});

test("it contains the program, its configuration and its unit", async () => {
  const { stdout: list } = await must("dpkg-deb", ["--contents", deb]);
  for (const file of [
    "./usr/bin/distcompute-tracker",
    "./etc/distcompute/tracker.toml",
    "./usr/lib/systemd/system/distcompute-tracker.service",
    "./usr/share/doc/distcompute-tracker/copyright",
  ]) {
    assert.match(list, new RegExp(`^-\\S+ 0/0 .* ${file.replaceAll(".", "\\.")}$`, "m"));
  }
  const { stdout: fields } = await must("dpkg-deb", ["--field", deb]);
  assert.match(fields, /^Package: distcompute-tracker$/m);
  assert.match(fields, /^Depends: (?=.*\badduser\b).*\blibc6\b/m);
});

test("it is installed, runs as its own user, and is removed", async () => {
  const within = fileURLToPath(new URL("within.sh", import.meta.url));
  const unshare = ["--mount", "--pid", "--fork", "--kill-child"];
  const { stdout } = await must("unshare", [...unshare, "sh", within, deb]);
  const facts = Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
  );
  const user = "distcompute:/var/lib/distcompute:/usr/sbin/nologin";
  const all = (when, expected) => {
    const paths = {
      state: "/var/lib/distcompute",
      config: "/etc/distcompute/tracker.toml",
      token: "/etc/distcompute/admin-token",
      program: "/usr/bin/distcompute-tracker",
      unit: "/usr/lib/systemd/system/distcompute-tracker.service",
    };
    const found = Object.entries(paths).map(([name, path]) => [name, facts[`${when} ${path}`]]);
    const known = { user: facts[`${when}.user`], ...Object.fromEntries(found) };
    assert.deepEqual(known, expected, when);
  };
  const nothing = { config: "none", token: "none", program: "none", unit: "none" };
  all("before", { user: "", state: "none", ...nothing });
  const state = "distcompute 700";
  const secrets = { config: "root 644", token: "root 600" };
  all("installed", { user, state, ...secrets, program: "root 755", unit: "root 644" });
  assert.equal(facts.status, "install ok installed");
  assert.equal(facts.enabled, "yes");
  assert.equal(facts.checked, "good", "check-config");
  assert.equal(facts.faults ?? "", "", "of the unit");
  assert.equal(facts.added, "200", "the operator's secret is accepted");
  assert.equal(facts.stopped, "orderly");
  assert.equal(facts.refused, "401");
  assert.equal(facts.database, "600");
  assert.equal(facts.token, "kept", "by an update");
  all("removed", { user, state, ...secrets, program: "none", unit: "none" });
  all("purged", { user, state, ...nothing });
  all("clean", { user: "", state: "none", ...nothing });
});
