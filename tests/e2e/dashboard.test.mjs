// The tracker's dashboard updates itself while it is visible, and makes no other requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startTestTracker } from "../../scripts/servers.mjs";
import { openBrowser, openPage } from "./browser.mjs";

/** The documented delay until a change is visible. */
const promisedMs = 2_000;

/** @param {string} url */
async function post(url, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, url);
  return await answer.text();
}

/** The number of dashboard requests in the tracker's metrics. */
async function dashboardRequests(url) {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line =
    /^distcompute_http_request_duration_seconds_count\{method="GET",route="\/",.* (\d+)$/gm;
  return [...metrics.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}

test("a finished job shows on the open dashboard within two seconds", async (t) => {
  const extraArgs = ["--metrics", "loopback"];
  const { url, stop } = await startTestTracker({ project: "Watched", jobs: 3, extraArgs });
  t.after(stop);
  const { page, complaints } = await openPage(await openBrowser(t), `${url}/`);
  const counts = () => page.locator('tr[data-key="a"] td').allTextContents();
  assert.deepEqual(await counts(), ["3", "0", "0", "0"], "open, in work, done, workers");
  // A marker that is lost if the page is reloaded instead of being updated in place.
  await page.evaluate(() => (window.wasHere = true));

  const { token } = await (await fetch(`${url}/api/new?nickname=Ann&stage=a`)).json();
  await post(`${url}/api/newJob`, { token });
  await post(`${url}/api/completeJob`, { token, data: "done" });
  const shows = () => document.querySelector('tr[data-key="a"]').cells[3].textContent === "1";
  await page.waitForFunction(shows, undefined, { timeout: promisedMs });
  assert.deepEqual(await counts(), ["2", "0", "1", "1"]);
  assert.equal(await page.evaluate(() => window.wasHere), true);

  // Unchanged pages are still requested, and answered with 304.
  const before = await dashboardRequests(url);
  const again = () => page.waitForResponse((answer) => answer.status() === 304);
  await again();
  assert.ok((await dashboardRequests(url)) > before);

  await page.close();
  const closed = await dashboardRequests(url);
  await sleep(2 * promisedMs);
  // One request may have been in flight.
  assert.ok((await dashboardRequests(url)) <= closed + 1, "a closed page still makes requests");
  assert.deepEqual(complaints, []);
});
