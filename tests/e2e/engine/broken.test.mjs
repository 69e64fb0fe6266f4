// One machine on which every job fails, among others on which none does.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import { jobs, openTab, startSetting, startSite, until, untilBooks } from "./setting.mjs";

const count = 200;
const maxAttempts = 3;
const broken = "globalThis.breaks = () => { throw new RangeError('bad range'); };";

test("one broken machine among three good ones takes no job from the project", async (t) => {
  const list = jobs(count, { act: "busy", ms: 40 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, maxAttempts });
  const brokenSite = await startSite(t, { prelude: () => broken });
  const browser = await openBrowser(t);
  const settings = { cores: 1 };
  const tab = async (site, nickname) => {
    const context = await browser.newContext();
    return await openTab(context, { site, url: proxy.url, nickname, settings });
  };
  // It is there first, so that it has all the jobs to itself at the beginning.
  const bad = await tab(brokenSite, "Broken");
  await until(bad, () => window.volunteer.status.jobsFailed > 0);
  for (const nickname of ["Ada", "Grace", "Mary"]) await tab(site, nickname);

  const books = await untilBooks(tracker, ({ done }) => done === count);
  assert.deepEqual([books.set_aside, books.open, books.held], [0, 0, 0]);
  const { jobsDone, lastError } = await until(bad, () => window.volunteer.status);
  assert.equal(jobsDone, 0);
  assert.deepEqual([lastError.name, lastError.message], ["RangeError", "bad range"]);
});
