// A volunteer submits tiles that were not computed.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  assertSamePicture,
  canvasPixels,
  openBrowser,
  openVolunteerPage,
  untilStatus,
} from "./browser.mjs";
import { nativeRender, startSample, status } from "./sample.mjs";

/** Registers a worker, and returns a function that makes its calls. */
async function register(url, nickname) {
  const query = new URLSearchParams({ nickname, stage: "a" });
  const { token } = await (await fetch(`${url}/api/new?${query}`)).json();
  return async (call, body = {}) => {
    const answer = await fetch(`${url}/api/${call}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, ...body }),
    });
    assert.equal(answer.status, 200, `${call}: ${await answer.clone().text()}`);
    return answer;
  };
}

/** The current results of stage a by job. */
async function rendered(url) {
  const answer = await fetch(`${url}/api/results?stage=a&limit=1000`);
  const lines = (await answer.text()).split("\n").filter(Boolean);
  return new Map(lines.map((line) => JSON.parse(line)).map(({ number, data }) => [number, data]));
}

const times = (count) => Buffer.alloc(count * 2, 7).toString("base64");

/** Forged outputs for a tile. */
const lies = [
  ({ tile, width, height }) => ({ tile, times: times(width * height) }),
  ({ tile, width, height }) => ({ tile: tile + 1, times: times(width * height) }),
  ({ tile }) => ({ tile, times: times(3) }),
  () => ["nothing", { of: "the sort" }],
];

/** Submits each of `lies` for one tile. Resolves to the forged outputs by job. */
async function cheat(url, lies) {
  const call = await register(url, "Mallory");
  const handedIn = new Map();
  for (const lie of lies) {
    const { number, data } = await (await call("newJob")).json();
    const text = `<!json!>${JSON.stringify(lie(JSON.parse(data.slice(8))))}`;
    await call("completeJob", { data: text, number });
    handedIn.set(number, text);
  }
  assert.deepEqual(await rendered(url), handedIn, "the tracker took the lies");
  return handedIn;
}

test("wrong tiles are flagged and rendered again", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "small.json", invalidAfter: 1 });
  const handedIn = await cheat(url, lies);

  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.fill("#nickname", "Ada");
  await page.click("#start");
  await page.waitForSelector("body[data-state=finished]");

  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  assert.equal(await page.textContent("#invalid"), String(lies.length));
  assert.equal(await page.textContent("#done-a"), "12", "Mallory's tiles were painted again");
  const now = await rendered(url);
  for (const [number, lie] of handedIn) assert.notEqual(now.get(number), lie);
  assert.deepEqual(complaints, []);
});

test("if two flags are required, a second flag must come from another volunteer", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "small.json", invalidAfter: 2 });
  await cheat(url, lies.slice(0, 1));
  const browser = await openBrowser(t);

  const { page: ada } = await openVolunteerPage(browser, volunteerUrl);
  await ada.fill("#nickname", "Ada");
  await ada.locator("#cores").press("End");
  await ada.click("#start");
  await ada.waitForFunction(() => /11 of 12/.test(document.body.innerText));
  await untilStatus(ada, /^No open jobs/);
  assert.notEqual(await ada.textContent("#invalid"), "0");
  const { stages, set_aside } = await status(url);
  const [render, check] = stages;
  assert.deepEqual([render.open, render.done, check.open + check.held, set_aside], [0, 12, 1, 0]);

  const { page: grace } = await openVolunteerPage(browser, volunteerUrl);
  await grace.fill("#nickname", "Grace");
  await grace.click("#start");
  await grace.waitForSelector("body[data-state=finished]");
  await ada.waitForSelector("body[data-state=finished]");
  const expected = await nativeRender("small.json");
  assertSamePicture(await canvasPixels(ada), expected);
  assertSamePicture(await canvasPixels(grace), expected);
});
