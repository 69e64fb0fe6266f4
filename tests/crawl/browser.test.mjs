// The crawl example as `npm start -- --example crawl` sets it up: a browser makes all shards, which have the
// bytes of the native program's, and the dashboard shows the figures.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { buildCrawlProgram, buildTracker } from "../../scripts/build.mjs";
import { must, run } from "../../scripts/process.mjs";
import { archivesIn } from "../../scripts/start-crawl.mjs";
import { start } from "../../scripts/start.mjs";
import { openBrowser, openPage } from "../e2e/browser.mjs";
import { screenshotFile, untilTracker } from "../e2e/sample.mjs";

/** Real archives to try instead of made ones, if there are any. */
const { DISTCOMPUTE_ARCHIVES: real } = process.env;

test("a browser makes the data set that the native program makes", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-crawl-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { crawl } = await buildCrawlProgram();
  const { "distcompute-tracker": tracker } = await buildTracker();
  const archives = real ?? join(folder, "archives");
  if (!real) await must(crawl, ["sample", archives, "8"]);
  const dataDir = join(folder, "data");
  const quiet = { print: () => {}, onLog: () => {} };
  const running = await start({ ...quiet, example: "crawl", archives, dataDir, port: 0 });
  t.after(() => running.stop());

  const browser = await openBrowser(t);
  const { page, complaints } = await openPage(browser, running.volunteerUrl);
  await page.waitForSelector("#figures dl");
  assert.match(await page.textContent("#figures"), /No piece has passed all stages yet/);
  await page.click("#start");
  const { jobs } = await untilTracker(running.url, "finished", ({ jobs, closed }) => {
    return jobs > 0 && closed === jobs;
  });

  const results = join(folder, "results.jsonl");
  const database = `sqlite:${join(dataDir, "crawl", "crawl.db")}`;
  const shards = join(folder, "shards");
  const out = ["--output", results, "--files", shards];
  await must(tracker, ["export", "--database", database, "--stage", "e", ...out]);
  const [made, native] = [join(folder, "made"), join(folder, "native")];
  await must(crawl, ["collect", results, "--files", shards, "--out", made]);
  await must(crawl, ["run", ...archivesIn(archives), "--out", native]);
  const files = readdirSync(native).sort();
  assert.deepEqual(readdirSync(made).sort(), files);
  assert.equal(files.length, jobs);
  for (const file of files) {
    assert.ok(readFileSync(join(made, file)).equals(readFileSync(join(native, file))), file);
  }

  await must(crawl, ["join", made]);
  const { stages } = JSON.parse(readFileSync(join(made, "card.json"), "utf8"));
  const kept = new RegExp(`^${stages.at(-1).kept.toLocaleString("en")}$`);
  const figure = ":text-is('pages kept') + dd";
  for (const [name, width, colorScheme] of [
    ["wide", 1280, "light"],
    ["narrow", 390, "dark"],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    await page.goto(running.dashboardUrl);
    const preview = page.frameLocator("iframe");
    await preview.locator(`body[data-shards="${jobs}"]`).waitFor();
    assert.match(await preview.locator(figure).textContent(), kept);
    const overflow = () => document.documentElement.scrollWidth - innerWidth;
    const frame = page.frames().find((one) => one.url().endsWith("/preview.html"));
    assert.ok((await frame.evaluate(overflow)) <= 0, `the preview is too wide (${name})`);
    await page.screenshot({ path: screenshotFile(`crawl-${name}.png`), fullPage: true });
    await page.goto(running.volunteerUrl);
    await page.waitForSelector(`body[data-shards="${jobs}"]`);
    assert.ok((await page.evaluate(overflow)) <= 0, `the page is too wide (${name})`);
    await page.screenshot({ path: screenshotFile(`crawl-page-${name}.png`), fullPage: true });
  }
  assert.deepEqual(complaints, []);

  await t.test("a result that is no shard is refused with its job", async () => {
    const refused = async ($file, expected) => {
      writeFileSync(
        results,
        `${JSON.stringify({ cursor: 1, number: 7, data: { file: { $file } } })}\n`,
      );
      const { code, output } = await run(crawl, [
        "collect",
        results,
        "--files",
        shards,
        "--out",
        made,
      ]);
      assert.equal(code, 1);
      assert.match(output, expected);
    };
    writeFileSync(join(shards, "sha256-0"), "no gzip");
    await refused("sha256-0", /job 7: the shard cannot be decompressed/);
    await refused("../results.jsonl", /job 7 names no file of the tracker/);
  });
});
