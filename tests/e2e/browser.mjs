// Chromium for the tests, with pages that record their requests and their errors.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";

/** The timeout for everything that a test waits for. */
export const patienceMs = 120_000;

const names = "MAP volunteers.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";

/**
 * @param {import("node:test").TestContext} t closes the browser when the test ends
 */
export async function openBrowser(t) {
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    // Only the name of this machine resolves, so that requests to other hosts fail.
    args: [...chromiumArgs(), `--host-resolver-rules=${names}`],
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page in a new browser context.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 */
export async function openPage(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  const requests = [];
  const complaints = [];
  context.on("request", (request) => requests.push(`${request.method()} ${request.url()}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, requests, complaints };
}

/**
 * Opens the volunteer page, and waits until it can be started.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 */
export async function openVolunteerPage(browser, url) {
  const opened = await openPage(browser, url);
  await opened.page.waitForSelector("body[data-state=stopped]");
  return opened;
}

/**
 * Opens another tab in the same browser context.
 *
 * @param {import("playwright-core").Page} page
 */
export async function openTab(page) {
  const tab = await page.context().newPage();
  tab.setDefaultTimeout(patienceMs);
  await tab.goto(page.url());
  await tab.waitForSelector("body[data-state]");
  return tab;
}

/**
 * Delays the tracker's answers to volunteers, so that a test can act while jobs are open.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} ms
 */
export async function delayAnswers(page, ms) {
  await page.context().route("**/api/sync", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await route.continue().catch(() => {});
  });
}

/**
 * Waits until the page's status sentence matches.
 *
 * @param {import("playwright-core").Page} page
 * @param {RegExp} sentence
 */
export async function untilStatus(page, sentence) {
  const { source } = sentence;
  await page.waitForFunction((pattern) => {
    const { shadowRoot } = document.querySelector("#panel");
    return new RegExp(pattern).test(shadowRoot.querySelector("#status").textContent);
  }, source);
}

/** How much of its job the first core has done, as its progress bar says. */
export function barValue(page) {
  return page
    .locator(".card progress")
    .first()
    .evaluate((bar) => bar.value);
}

/**
 * Waits until the first core has done more than `value` of its job.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} [value]
 */
export async function untilProgress(page, value = 0) {
  await page.waitForFunction((least) => {
    const { shadowRoot } = document.querySelector("#panel");
    return shadowRoot.querySelector(".card progress")?.value > least;
  }, value);
}

/**
 * Reads the RGB pixels of the canvas, for comparison with a native render.
 *
 * @param {import("playwright-core").Page} page
 */
export async function canvasPixels(page) {
  const { width, height, text } = await page.evaluate(() => {
    const canvas = document.querySelector("canvas");
    const { data, width, height } = canvas
      .getContext("2d")
      .getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let at = 0; at < data.length; at += 4) {
      text += String.fromCharCode(data[at], data[at + 1], data[at + 2]);
    }
    return { width, height, text: btoa(text) };
  });
  return { width, height, pixels: Buffer.from(text, "base64") };
}

/**
 * @param {{ width: number, height: number, pixels: Buffer }} actual
 * @param {{ width: number, height: number, pixels: Buffer }} expected
 */
export function assertSamePicture(actual, expected) {
  assert.deepEqual([actual.width, actual.height], [expected.width, expected.height]);
  let wrong = 0;
  for (let at = 0; at < expected.pixels.length; at += 1) {
    if (actual.pixels[at] !== expected.pixels[at]) wrong += 1;
  }
  assert.equal(wrong, 0, `${wrong} of ${expected.pixels.length} channels differ`);
  const colours = new Set(expected.pixels);
  assert.ok(colours.size > 20, "a picture of one colour would prove nothing");
}
