// The volunteer panel on pages of another origin, as docs/panel.md describes them: with a strict policy, in a
// sandboxed frame, in all languages, in narrow places, and with attributes that are wrong.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { languages } from "../../packages/volunteer-panel/src/words.js";
import { root } from "../../scripts/places.mjs";
import { openBrowser, openPage, patienceMs } from "./browser.mjs";
import {
  jobs,
  pageWithFrame,
  pageWithPanel,
  startSite,
  startTracker,
  strictPolicy,
} from "./embedding.mjs";
import { untilTracker, workers } from "./sample.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const panelOf = (frame) => frame.locator("distcompute-volunteer");

/** Waits until the volunteer has done all jobs of its stage. */
async function untilDone(frame) {
  await frame.waitForFunction(
    (all) => document.querySelector("distcompute-volunteer").volunteer?.status.jobsDone === all,
    jobs,
  );
}

describe("on a page of another origin", () => {
  test("with a strict policy the panel computes, and notifies the page", async (t) => {
    const tracker = await startTracker(t);
    const site = await startSite(t, { "/": pageWithPanel(tracker) }, strictPolicy(tracker));
    const { page: tab, complaints } = await openPage(await openBrowser(t), site);
    await tab.evaluate(() => {
      window.states = new Set();
      const panel = document.querySelector("distcompute-volunteer");
      panel.addEventListener("status", ({ detail }) => window.states.add(detail.state));
    });
    await tab.fill("#nickname", "Ada");
    await tab.click("#start");
    await untilDone(tab);
    // Jobs of a moment may begin and end between two statuses.
    await tab.waitForFunction(() => ["starting", "waiting"].every((one) => window.states.has(one)));
    // What is shown follows the status in a moment.
    await tab.locator("#done-a", { hasText: new RegExp(`^${jobs}$`) }).waitFor();

    // Moving the element does not interrupt the work, and removing it ends it.
    await tab.evaluate(() => document.body.append(document.querySelector("distcompute-volunteer")));
    await untilTracker(tracker.url, "still there", (now) => workers(now) === 1);
    await tab.waitForFunction(
      () => document.querySelector("distcompute-volunteer").volunteer.status.state === "waiting",
    );
    await panelOf(tab).evaluate((panel) => panel.remove());
    await untilTracker(tracker.url, "left", (now) => workers(now) === 0);
    assert.deepEqual(complaints, []);
  });

  test("in a sandboxed frame without an origin it computes, and says what is lost", async (t) => {
    const tracker = await startTracker(t);
    const policy = strictPolicy(tracker, { sandboxed: true });
    const site = await startSite(t, { "/framed": pageWithPanel(tracker) }, policy);
    const outer = await startSite(t, { "/": pageWithFrame(`${site}/framed`) });
    const { page: tab } = await openPage(await openBrowser(t), outer);
    const framed = tab.frame({ url: `${site}/framed` });
    assert.equal(await framed.evaluate(() => window.origin), "null");
    await framed.locator(".note", { hasText: "stores nothing" }).waitFor();
    await framed.click("#start");
    await untilDone(framed);
  });
});

describe("the panel", () => {
  /** @type {Awaited<ReturnType<typeof openBrowser>>} */
  let browser;
  let site;
  let tracker;

  const ends = [];
  const suite = { after: (end) => ends.push(end) };

  before(async () => {
    tracker = await startTracker(suite);
    const pages = {
      "/": pageWithPanel(tracker),
      "/lost": pageWithPanel(tracker, (lines) => lines.replace(/tracker="[^"]*"/, "")),
      "/odd": pageWithPanel(tracker, (lines) => lines.replace('stage="a"', 'stage="a z"')),
    };
    site = await startSite(suite, pages, strictPolicy(tracker));
    browser = await openBrowser(suite);
  });

  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** Opens the page in a language of the browser. */
  async function open(path, options = {}) {
    const context = await browser.newContext(options);
    const tab = await context.newPage();
    tab.setDefaultTimeout(patienceMs);
    await tab.goto(site + path);
    await tab.waitForSelector("#start");
    return tab;
  }

  const wordsOf = (language) => {
    const file = join(root, "packages", "volunteer-panel", "words", `${language}.json`);
    return JSON.parse(readFileSync(file, "utf8"));
  };

  async function violations(tab) {
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate(() => window.axe.run(document));
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  test("speaks the browser's language, or that of its attribute", async () => {
    const tab = await open("/", { locale: "de-AT" });
    const says = (language) =>
      tab.locator("#start", { hasText: new RegExp(`^${wordsOf(language).start}$`) }).waitFor();
    await says("de");
    for (const language of languages) {
      await panelOf(tab).evaluate((panel, lang) => (panel.lang = lang), language);
      await says(language);
      const { lang, dir } = await tab
        .locator(".panel")
        .evaluate(({ lang, dir }) => ({ lang, dir }));
      assert.deepEqual({ lang, dir }, { lang: language, dir: wordsOf(language).direction });
    }
    await panelOf(tab).evaluate((panel) => panel.removeAttribute("lang"));
    await says("de");
    await tab.context().close();
  });

  test("has no violations and fits into 320 pixels with large text, in all languages", async () => {
    const tab = await open("/", { viewport: { width: 320, height: 640 } });
    for (const summary of await tab.locator("summary").all()) await summary.click();
    for (const language of languages) {
      await panelOf(tab).evaluate((panel, lang) => (panel.lang = lang), language);
      await tab.locator("#forget", { hasText: wordsOf(language).forget }).waitFor();
      for (const size of ["100%", "200%"]) {
        const width = await tab.evaluate((fontSize) => {
          document.documentElement.style.fontSize = fontSize;
          return document.documentElement.scrollWidth;
        }, size);
        assert.ok(width <= 320, `${language} with text of ${size} is ${width} pixels wide`);
      }
    }
    for (const language of ["ar", "de"]) {
      await panelOf(tab).evaluate((panel, lang) => (panel.lang = lang), language);
      await tab.locator("#forget", { hasText: wordsOf(language).forget }).waitFor();
      assert.deepEqual(await violations(tab), [], language);
    }
    await tab.context().close();
  });

  test("says what is wrong with its attributes, and works when they are corrected", async () => {
    for (const [path, sentence, attribute, value] of [
      ["/lost", /has no attribute "tracker"/, "tracker", tracker.url],
      ["/odd", /"z"/, "stage", "a"],
    ]) {
      const tab = await open(path);
      await tab.locator("#advice", { hasText: sentence }).waitFor();
      const again = tab.evaluate(
        ([attribute]) =>
          new Promise((resolve) => {
            const panel = document.querySelector("distcompute-volunteer");
            panel.addEventListener("error", ({ detail }) => resolve(detail.code));
            panel.setAttribute(attribute, "http://[");
          }),
        [attribute],
      );
      assert.match(await again, /^(invalid_argument|invalid_url|stage_invalid)$/);
      await panelOf(tab).evaluate(
        (panel, [name, text]) => panel.setAttribute(name, text),
        [attribute, value],
      );
      await tab.locator("#status", { hasText: /until you press Start/ }).waitFor();
      await tab.context().close();
    }
  });

  test("links a second device by the code that it shows, and says why not", async () => {
    const [older, newer] = [await open("/"), await open("/")];
    for (const tab of [older, newer]) {
      await tab.locator("#start:enabled").waitFor();
      await tab.click("#link summary");
    }
    const says = (tab, key) => tab.locator("#link-said", { hasText: wordsOf("en")[key] }).waitFor();
    await older.fill("#link-input", "AAAAA-AAAAA");
    await older.press("#link-input", "Enter");
    await says(older, "link.unknown");
    await newer.click("#link-show");
    await newer.locator("#link-said", { hasText: /before \d/ }).waitFor();
    const code = await newer.textContent("#link-code");
    assert.match(code, /^\w{5}-\w{5}$/);
    await older.fill("#link-input", ` ${code.toLowerCase()} `);
    await older.click("#link-send");
    await says(older, "link.done");
    // A code is taken once.
    await older.fill("#link-input", code);
    await older.click("#link-send");
    await says(older, "link.unknown");
    // Enter in this field does not start the work.
    const state = await panelOf(older).evaluate((panel) => panel.volunteer.status.state);
    assert.equal(state, "stopped");
    await panelOf(older).evaluate((panel) => (panel.lang = "de"));
    await older.locator("#link-said", { hasText: wordsOf("de")["link.unknown"] }).waitFor();
    for (const tab of [older, newer]) await tab.context().close();
  });

  test("ends with the sentence of a project that has nothing left to do", async () => {
    const tab = await open("/");
    await panelOf(tab).evaluate((panel) => (panel.finished = "All <b>done</b>."));
    await tab.locator("#status", { hasText: "All <b>done</b>." }).waitFor();
    assert.ok(!(await tab.isVisible("#start")));
    await panelOf(tab).evaluate((panel) => (panel.finished = ""));
    await tab.locator("#start").waitFor();
    await tab.context().close();
  });
});
