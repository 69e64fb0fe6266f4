// Accessibility of the pages: axe, forced colours, narrow viewports with large text.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { startTestTracker } from "../../scripts/servers.mjs";
import { openBrowser, patienceMs } from "./browser.mjs";
import { startSample, untilTracker } from "./sample.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Opens a page in a new browser context.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function open(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  await page.goto(url);
  if (url.endsWith("/volunteer/")) await page.waitForSelector("body[data-state]");
  return page;
}

async function violations(page) {
  // Evaluated by the debugger, because the page's Content-Security-Policy forbids other scripts.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false }));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`),
  );
}

const address = `https://example.org/${"a-long-way-".repeat(20)}`;

/** Starts a tracker with a busy worker, a leaderboard, and long texts without spaces. */
async function startBusy(t) {
  const tracker = await startTestTracker({
    project: "Long",
    jobs: 3,
    extraArgs: ["--description", `See ${address}`],
  });
  t.after(tracker.stop);
  const { url } = tracker;
  const nickname = "W".repeat(128);
  const asked = await fetch(`${url}/api/new?nickname=${nickname}&stage=a`);
  const worker = await asked.json();
  for (const [call, body] of [
    ["newJob", {}],
    ["completeJob", { data: "done" }],
    ["newJob", {}],
    ["updateProgress", { progress: "%".repeat(200) }],
  ]) {
    const answer = await fetch(`${url}/api/${call}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: worker.token, ...body }),
    });
    assert.equal(answer.status, 200, call);
  }
  return { url, paths: ["/", "/leaderboard", `/worker/cpu/${worker.display_name}`, "/nothing"] };
}

test("axe finds no violations on the pages in light and dark mode", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const busy = await startBusy(t);
  const browser = await openBrowser(t);
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, volunteerUrl, { colorScheme });
    assert.deepEqual(await violations(page), [], `the volunteer page, ${colorScheme}`);
    await page.click("#start");
    await page.waitForSelector("body[data-state=computing]");
    await page.click("details summary");
    assert.deepEqual(await violations(page), [], `the volunteer page at work, ${colorScheme}`);
    await untilTracker(url, "a worker", ({ stages }) => stages[0].workers > 0);
    for (const at of [
      `${url}/`,
      `${volunteerUrl}picture.html`,
      ...busy.paths.map((path) => busy.url + path),
    ]) {
      const shown = await open(browser, at, { colorScheme });
      assert.deepEqual(await violations(shown), [], `${at}, ${colorScheme}`);
      await shown.context().close();
    }
    await page.context().close();
  }
});

test("text of twice the size fits into 320 pixels", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const busy = await startBusy(t);
  const browser = await openBrowser(t);
  const viewport = { width: 320, height: 640 };
  for (const at of [volunteerUrl, ...busy.paths.map((path) => busy.url + path)]) {
    const page = await open(browser, at, { viewport });
    if (at === volunteerUrl) {
      await page.click("#start");
      await page.waitForSelector("body[data-state=computing]");
      await page.click("details summary");
    }
    for (const size of ["100%", "200%"]) {
      const width = await page.evaluate((fontSize) => {
        document.documentElement.style.fontSize = fontSize;
        return document.documentElement.scrollWidth;
      }, size);
      assert.ok(width <= 320, `${at} with text of ${size} is ${width} pixels wide`);
    }
    await page.context().close();
  }
});

test("on a phone the Start button is visible without scrolling", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const viewport = { width: 360, height: 640 };
  const page = await open(await openBrowser(t), volunteerUrl, { viewport });
  const { y, height } = await page.locator("#start").boundingBox();
  assert.ok(y + height <= viewport.height, `Start ends at ${y + height}`);
});

test("buttons and progress bars stay visible with forced colours", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const browser = await openBrowser(t);
  const shapes = [
    [volunteerUrl, ["#start", "#tiles"]],
    [`${url}/`, [".button", "progress"]],
  ];
  for (const [at, selectors] of shapes) {
    const page = await open(browser, at, { forcedColors: "active" });
    for (const selector of selectors) {
      const shape = page.locator(selector).first();
      const { border, ground } = await shape.evaluate((element) => {
        const style = getComputedStyle(element);
        return {
          border: [style.borderTopWidth, style.borderTopStyle, style.borderTopColor].join(" "),
          ground: style.backgroundColor,
        };
      });
      assert.match(border, /^1px solid rgb/, `${selector} at ${at}`);
      assert.ok(!border.endsWith(ground), `${selector} at ${at}: ${border} on ${ground}`);
    }
    await page.context().close();
  }
});
