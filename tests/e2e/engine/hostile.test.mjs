// A hostile server in place of the tracker, and other scripts of the same origin that interfere with the
// storage.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startFaultyServer } from "../../faulty/server.mjs";
import { openBrowser } from "../browser.mjs";
import {
  begin,
  jobs,
  openTab,
  startSetting,
  startSite,
  statusOf,
  until,
  untilCounters,
} from "./setting.mjs";

const mb = 1 << 20;
/**
 * The allowance for data beyond the limit: the buffers of the sockets and of the browser, and what
 * arrives until the browser's network process learns that the request was aborted. The loopback interface
 * transmits about 1 GB/s.
 */
const buffers = 192 * mb;

for (const [what, code, most, call] of [
  ["a registration", "answer_too_large", 0, "new"],
  ["a sync", "answer_too_large", 64 * mb, "sync"],
  ["the request that identifies a tracker", "not_a_tracker", 0, "project"],
]) {
  test(`an endless answer to ${what} is aborted at its limit and reported`, async (t) => {
    const faulty = await startFaultyServer();
    t.after(() => faulty.stop());
    const base = `/endless/${call}`;
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site: await startSite(t), url: faulty.url + base });
    const { error, reason } = await until(
      page,
      () => window.volunteer.status.error && window.volunteer.status,
    );
    assert.deepEqual([error.code, reason.code], [code, "no_tracker"]);
    const log = faulty.log(base);
    const answers = log.filter(({ path, closed }) => path === `/api/${call}` && closed);
    assert.ok(answers.length > 0, JSON.stringify(log));
    for (const { bytes } of answers) {
      assert.ok(bytes >= most && bytes <= most + buffers, `${bytes} bytes`);
    }
    t.diagnostic(`${answers.map(({ bytes }) => bytes)} bytes`);
    // The hub has survived, and tries again.
    assert.equal(await page.evaluate(() => window.living("hub").length), 1);
  });
}

/** How another script of the same origin blocks the database. */
const holds = {
  "in a transaction that never ends": () =>
    new Promise((resolve) => {
      const opening = indexedDB.open("distcompute", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
      opening.onsuccess = () => {
        const kept = opening.result.transaction("kept", "readwrite").objectStore("kept");
        const again = () => (kept.get("nothing").onsuccess = again);
        again();
        resolve();
      };
    }),
  "without our object store": () =>
    new Promise((resolve) => {
      const opening = indexedDB.open("distcompute", 1);
      opening.onsuccess = () => resolve((window.held = opening.result) && undefined);
    }),
  "in a later version": () =>
    new Promise((resolve) => {
      const opening = indexedDB.open("distcompute", 2);
      opening.onsuccess = () => resolve((window.held = opening.result) && undefined);
    }),
  "while its deletion is pending": () =>
    new Promise((resolve) => {
      const opening = indexedDB.open("distcompute", 1);
      opening.onsuccess = () => {
        window.held = opening.result;
        indexedDB.deleteDatabase("distcompute").onblocked = () => resolve();
      };
    }),
};

for (const [how, hold] of Object.entries(holds)) {
  test(`a script that holds the database ${how} does not stop the work`, async (t) => {
    const list = jobs(8, { act: "wait", ms: 300 });
    const { tracker, proxy, site } = await startSetting(t, { jobs: list });
    const context = await (await openBrowser(t)).newContext();
    const stranger = await context.newPage();
    await stranger.goto(site);
    await stranger.evaluate(hold);
    const page = await openTab(context, { site, url: proxy.url });
    await untilCounters(tracker, ({ done }) => done === 8);
    assert.equal((await statusOf(page)).jobsFailed, 0);
    const hubs = await page.evaluate(
      () => window.workers.filter(({ part }) => part === "hub").length,
    );
    assert.equal(hubs, 1);
  });
}

test("a script that takes over the database while jobs are running does not stop the work", async (t) => {
  const list = jobs(8, { act: "wait", ms: 500 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const stranger = await context.newPage();
  await stranger.goto(site);
  const page = await openTab(context, { site, url: proxy.url });
  await until(page, () => window.notes.some(({ note }) => note === "begin"));
  await stranger.evaluate(holds["in a later version"]);
  await untilCounters(tracker, ({ done }) => done === 8);
  const hubs = await page.evaluate(
    () => window.workers.filter(({ part }) => part === "hub").length,
  );
  assert.equal(hubs, 1);
});

/** Writes malformed records into the library's database. Returns their number. */
function forge(site) {
  const good = { token: "secret", extensions: ["sync"], lease_s: 300, max_body: 1e6 };
  const session = { stage: "a", nickname: "Ada", seq: 1, hello: good };
  const job = { kind: "job", ticket: "t", lease: true, stage: "a", number: 1, attempt: 1 };
  const records = [
    ...[7, null, "text", [], {}, new Map([["kind", "done"]]), new Blob(["x"])],
    ...[{ kind: "done" }, { ...job, kind: "done", output: 7 }, { ...job, kind: "unheard of" }],
    ...[
      { ...job, ticket: "x".repeat(3_000_000) },
      { ...job, ticket: "" },
      { ...job, ticket: 7 },
    ],
    ...[
      { ...job, number: -1 },
      { ...job, attempt: 1e300 },
      { ...job, stage: "z" },
    ],
    ...[
      { ...session, seq: 2 ** 53 - 1 },
      { ...session, seq: NaN },
      { ...session, stage: "z" },
    ],
    ...[
      { ...session, hello: 7 },
      { ...session, hello: { ...good, token: "x".repeat(257) } },
    ],
  ];
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("distcompute", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("kept", "readwrite");
      const kept = transaction.objectStore("kept");
      records.forEach((record, index) => kept.put(record, [site, `forged ${index}`]));
      transaction.onabort = () => reject(transaction.error);
      transaction.oncomplete = () => (opening.result.close(), resolve(records.length));
    };
  });
}

test("malformed records are skipped with a warning, and the work continues", async (t) => {
  const list = jobs(4, { act: "wait", ms: 50 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await context.newPage();
  const warnings = [];
  page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  await page.goto(site);
  const count = await page.evaluate(forge, proxy.url);
  await begin(page, { url: proxy.url });
  const counters = await untilCounters(tracker, ({ done }) => done === 4);
  assert.deepEqual([counters.rejected, counters.failed], [0, 0]);
  const { settings, state } = await statusOf(page);
  assert.equal(settings.cores, 2);
  assert.notEqual(state, "failed");
  const ours = warnings.filter((text) => text.startsWith("distcompute: "));
  assert.equal(ours.length, 1, warnings.join("; "));
  assert.ok(ours[0].startsWith(`distcompute: ${count} of the records`), ours[0]);
  const hubs = await page.evaluate(
    () => window.workers.filter(({ part }) => part === "hub").length,
  );
  assert.equal(hubs, 1);
});
