// The client that the tracker serves, used by a page of another origin without a build; and the contents of
// the tracker's published crate.

import assert from "node:assert/strict";
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";
import { buildPackage } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { startTestTracker } from "../../scripts/servers.mjs";
import { documentedScript } from "./docs.mjs";
import { html } from "./tools.mjs";
import { runIn } from "./project.mjs";
import { serveFolder } from "./site.mjs";

const jobs = 12;
const { version } = JSON.parse(readFileSync(join(await buildPackage(), "package.json"), "utf8"));

test("a page of another origin and its worker import the client from the tracker", async (t) => {
  const extraArgs = ["--cors-origin", "*"];
  const tracker = await startTestTracker({ project: "No bundler", jobs, extraArgs });
  t.after(() => tracker.stop());
  const folder = mkdtempSync(join(tmpdir(), "distcompute-site-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const address = `${tracker.url}/client/${version}/distcompute_client.js`;
  for (const name of ["page.js", "worker.js"]) {
    const script = documentedScript(name, tracker.url);
    assert.ok(script.includes('"distcompute-client"'));
    writeFileSync(join(folder, name), script.replace("distcompute-client", address));
  }
  writeFileSync(join(folder, "index.html"), html("./page.js"));
  const site = await serveFolder(folder);
  t.after(() => site.stop());
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const wasm = [];
  page.context().on("response", (answer) => {
    if (answer.url().endsWith(".wasm")) wasm.push(answer);
  });
  await page.goto(site.url);
  await page.waitForFunction(() => document.querySelector("button").onclick);
  await page.click("button");
  await page.waitForFunction((end) => document.title.endsWith(end), ` ${jobs} jobs done`);
  // The page sends the wasm to its workers, so it is fetched once.
  assert.equal(wasm.length, 1);
  assert.match(new URL(wasm[0].url()).pathname, new RegExp(`^/client/${version}-[0-9a-f]{8}/`));
  assert.match(wasm[0].headers()["cache-control"], /immutable/);
});

test("the tracker's crate contains the client and everything that it is compiled from", async () => {
  const args = ["package", "--list", "--allow-dirty", "-p", "distcompute-tracker"];
  const { stdout } = await runIn(root, "cargo", args);
  const files = stdout.split("\n");
  const wanted = ["build.rs", "src/main.rs", "tracker.example.toml", "migrations/sqlite/"];
  for (const name of wanted)
    assert.ok(
      files.some((file) => file.startsWith(name)),
      name,
    );
  for (const name of ["distcompute_client.js", "distcompute_client_bg.wasm"]) {
    const isCarried = (file) => /^client\/[^/]+\//.test(file) && file.endsWith(`/${name}`);
    assert.ok(files.some(isCarried), name);
  }
});
