// Files of jobs, with a real tracker: from one stage to the next, over a network that breaks, across a closed
// browser, and where browser or tracker lack a part of it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../../scripts/browsers.mjs";
import { openBrowser } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import { openTab, startSetting, until, untilCounters } from "./setting.mjs";

const stages = ["--stage", "b=Read"];
const megabytes = (count) => count * 1_000_000;

/** The results of a stage, by the number of their job. */
async function resultsOf(tracker, stage) {
  const answer = await fetch(`${tracker.url}/api/results?stage=${stage}&limit=100`);
  const lines = (await answer.text()).split("\n").filter(Boolean);
  const entry = (line) => {
    const { number, data } = JSON.parse(line);
    return [number, JSON.parse(data.replace("<!json!>", ""))];
  };
  return new Map(lines.map(entry));
}

const untilResults = async (tracker, stage, count) => {
  await untilTrue(
    async () => (await resultsOf(tracker, stage)).size === count,
    () => `never ${count} results at ${stage}`,
  );
  return await resultsOf(tracker, stage);
};

const requests = (proxy, method, path) =>
  proxy.requests.filter((one) => one.method === method && one.path.startsWith(path));

test("a file of one stage is read at the next, though its transfers break", async (t) => {
  const jobs = [
    { act: "put", bytes: megabytes(9) },
    { act: "put", bytes: 0 },
  ];
  const { tracker, proxy, site } = await startSetting(t, { jobs, args: stages });
  const browser = await openBrowser(t);
  // The answer to one part is lost, and one file breaks off.
  let lost = false;
  let broken = false;
  proxy.cuts = ({ method, path, length }) => {
    if (!lost && method === "PUT") return ((lost = true), 0);
    const isFile = method === "GET" && path.startsWith("/api/files/") && length > 0;
    return isFile && !broken ? ((broken = true), megabytes(4)) : undefined;
  };
  await openTab(await browser.newContext(), { site, url: proxy.url, stage: "a" });
  const made = await untilResults(tracker, "a", 2);
  // Public results have addresses of their files, which are not part of them.
  const { url, ...file } = made.get(1).file;
  assert.match(url, /^api\/files\/sha256-/);
  assert.equal(file.bytes, megabytes(9));
  assert.deepEqual(Object.keys(file), ["$file", "bytes", "type"]);
  await openTab(await browser.newContext(), { site, url: proxy.url, stage: "b" });
  const read = await untilResults(tracker, "b", 2);
  assert.equal(read.get(1).bytes, megabytes(9));
  assert.equal(read.get(1).type, "text/x-noise");
  const { url: again, ...echoed } = read.get(1).file;
  assert.match(again, /^api\/files\/sha256-/);
  assert.deepEqual(echoed, file);
  assert.deepEqual([read.get(2).bytes, read.get(2).sum], [0, 0]);
  const ranges = requests(proxy, "GET", `/api/files/${file.$file}`).map(({ range }) => range);
  assert.ok(ranges.length >= 2 && /^bytes=[1-9]\d*-$/.test(ranges.at(-1)), String(ranges));
});

test("a browser that is closed in the middle of an upload of 50 MB goes on later", async (t) => {
  const jobs = [{ act: "put", bytes: megabytes(50) }];
  const { tracker, proxy, site } = await startSetting(t, { jobs });
  const folder = mkdtempSync(join(tmpdir(), "distcompute-profile-"));
  const options = { executablePath: await ensureChromium(), args: chromiumArgs() };
  let context;
  t.after(async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const work = async () => {
    context = await chromium.launchPersistentContext(folder, options);
    return await openTab(context, { site, url: proxy.url });
  };
  const parts = () => requests(proxy, "PUT", "/api/uploads/part").length;
  proxy.delays = ({ method }) => (method === "PUT" ? 300 : 0);
  const page = await work();
  await untilTrue(
    () => parts() >= 5,
    () => "nothing is sent",
  );
  const { files, waiting } = await page.evaluate(() => window.volunteer.status);
  assert.deepEqual([files.sending, files.bytesToSend, waiting], [1, megabytes(50), 1]);
  await context.close();
  const before = parts();
  assert.ok(before < 12, "it was closed too late");
  proxy.delays = () => 0;
  await work();
  const { accepted } = await untilCounters(tracker, ({ done }) => done === 1);
  assert.equal(accepted, 1);
  // Of the parts that were under way the tracker may have some.
  assert.ok(parts() <= 12 + 3, `${parts()} parts for 12`);
  const [{ output }] = await tracker.results();
  assert.equal(output.file.bytes, megabytes(50));
});

test("a tracker without files refuses put, and nothing else", async (t) => {
  const jobs = [
    { act: "put", bytes: 5 },
    { act: "wait", ms: 1 },
  ];
  const { tracker, proxy, site } = await startSetting(t, { jobs, old: true });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilCounters(tracker, ({ done }) => done === 1);
  await until(page, () => /takes no files/.test(window.volunteer.status.lastError?.message));
  assert.equal(requests(proxy, "POST", "/api/uploads").length, 0);
});

const stores = {
  throws: "Object.defineProperty(globalThis, 'caches', { get() { throw new Error('mine'); } });",
  "never answers":
    "Object.defineProperty(globalThis, 'caches', { value: { open: () => new Promise(() => {}) } });",
  "is full": `Cache.prototype.put = async () => { throw new DOMException("", "QuotaExceededError"); };`,
};
for (const [how, prelude] of Object.entries(stores)) {
  test(`files are in memory where Cache Storage ${how}`, async (t) => {
    const wanted = { jobs: [{ act: "put", bytes: megabytes(1) }], args: stages };
    const { tracker, proxy, site } = await startSetting(t, { ...wanted, prelude: () => prelude });
    const browser = await openBrowser(t);
    await openTab(await browser.newContext(), { site, url: proxy.url, stage: "a" });
    await untilResults(tracker, "a", 1);
    await openTab(await browser.newContext(), { site, url: proxy.url, stage: "b" });
    const read = await untilResults(tracker, "b", 1);
    assert.equal(read.get(1).bytes, megabytes(1));
  });
}
