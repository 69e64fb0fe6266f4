// Hidden tabs. Playwright makes all of its pages appear visible, so these tabs are opened by other means.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../../scripts/browsers.mjs";
import { untilTrue } from "../sample.mjs";
import { jobs, startSetting } from "./setting.mjs";

/** Playwright's flags that disable the throttling of hidden tabs. */
const blinders = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** Opens tabs in one window. Only the one that was brought to the front last is visible. */
async function openWindow(t) {
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
    ignoreDefaultArgs: blinders,
  });
  t.after(() => browser.close());
  const devtools = await browser.newBrowserCDPSession();
  return async (url) => {
    const { targetId } = await devtools.send("Target.createTarget", { url });
    const { sessionId } = await devtools.send("Target.attachToTarget", { targetId });
    const pending = new Map();
    devtools.on("Target.receivedMessageFromTarget", ({ sessionId: of, message }) => {
      const { id, result } = JSON.parse(message);
      if (of === sessionId) pending.get(id)?.(result);
    });
    const evaluate = async (expression) => {
      const id = pending.size + 1;
      const params = { expression, returnByValue: true };
      const message = JSON.stringify({ id, method: "Runtime.evaluate", params });
      const answer = new Promise((resolve) => pending.set(id, resolve));
      await devtools.send("Target.sendMessageToTarget", { sessionId, message });
      return (await answer)?.result?.value;
    };
    const toFront = () => devtools.send("Target.activateTarget", { targetId });
    return { evaluate, toFront };
  };
}

test("a hidden tab computes as fast as a visible one", async (t) => {
  const list = jobs(5000, { act: "turns", turns: 20_000_000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const open = await openWindow(t);
  const tab = await open(site);
  const other = await open("about:blank");
  const until = (expression) =>
    untilTrue(
      () => tab.evaluate(expression),
      () => `never ${expression}`,
    );
  await until("window.ready === true");
  await tab.evaluate("window.ticks = 0; setInterval(() => (window.ticks += 1), 50);");
  const options = { url: proxy.url, settings: { cores: 1 } };
  await tab.evaluate(`window.begin(${JSON.stringify(options)})`);
  await until("window.volunteer.status.jobsDone > 0");

  /** The numbers of jobs, and of ticks of a timer in the page, per second. */
  const measure = async (hidden) => {
    await (hidden ? other : tab).toFront();
    await until(`document.hidden === ${hidden}`);
    const look = () =>
      tab.evaluate(
        "({ at: performance.now(), ticks: window.ticks, " +
          "jobs: window.notes.filter(({ note }) => note === 'end').length })",
      );
    const before = await look();
    await until(`performance.now() >= ${before.at + 4000}`);
    const after = await look();
    const rate = (what) => (1000 * (after[what] - before[what])) / (after.at - before.at);
    return { jobs: rate("jobs"), ticks: rate("ticks") };
  };

  // The best of several rounds counts on both sides, because other processes may disturb some of them.
  const best = { seen: 0, hidden: 0 };
  for (let turn = 0; turn < 4 && (turn === 0 || best.hidden < 0.9 * best.seen); turn += 1) {
    const seen = await measure(false);
    const hidden = await measure(true);
    t.diagnostic(`${seen.jobs.toFixed(1)} jobs/s seen, ${hidden.jobs.toFixed(1)} hidden`);
    assert.ok(
      hidden.ticks < 2 && seen.ticks > 5,
      `ticks: ${seen.ticks} seen, ${hidden.ticks} hidden`,
    );
    best.seen = Math.max(best.seen, seen.jobs);
    best.hidden = Math.max(best.hidden, hidden.jobs);
  }
  assert.ok(best.hidden >= 0.9 * best.seen, JSON.stringify(best));
  const { accepted, lost, rejected } = await tracker.counters();
  assert.ok(accepted > 0);
  assert.deepEqual([lost, rejected], [0, 0]);
});
