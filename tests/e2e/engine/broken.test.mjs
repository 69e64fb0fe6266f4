// A machine on which every job fails, among others on which all succeed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import { jobs, openTab, startSetting, startSite, until, untilCounters } from "./setting.mjs";

const count = 200;
const maxAttempts = 3;
const broken = "globalThis.breaks = () => { throw new RangeError('bad range'); };";

test("a broken machine among three good ones does not exhaust the attempts of any job", async (t) => {
  const list = jobs(count, { act: "busy", ms: 40 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, maxAttempts });
  const brokenSite = await startSite(t, { prelude: () => broken });
  const browser = await openBrowser(t);
  const settings = { cores: 1 };
  const tab = async (site, nickname) => {
    const context = await browser.newContext();
    return await openTab(context, { site, url: proxy.url, nickname, settings });
  };
  // The broken machine starts first, while there is no competition for the jobs.
  const bad = await tab(brokenSite, "Broken");
  await until(bad, () => window.volunteer.status.jobsFailed > 0);
  for (const nickname of ["Ada", "Grace", "Mary"]) await tab(site, nickname);

  const counters = await untilCounters(tracker, ({ done }) => done === count);
  assert.deepEqual([counters.set_aside, counters.open, counters.held], [0, 0, 0]);
  const { jobsDone, lastError } = await until(bad, () => window.volunteer.status);
  assert.equal(jobsDone, 0);
  assert.deepEqual([lastError.name, lastError.message], ["RangeError", "bad range"]);
});
