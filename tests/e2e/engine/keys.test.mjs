// The volunteer's key: it is proved at each registration, and nothing that is missing or broken keeps a
// volunteer from working.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import { jobs, openTab, startSetting, until, untilCounters } from "./setting.mjs";

const token = "a token of the operator";
const operator = ["--admin-token", token];

/** The registered workers, as the operator sees them. */
async function workers(tracker) {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${tracker.url}/api/workers`, { headers });
  return (await answer.json()).workers;
}

const job = { act: "wait", ms: 50 };

const computed = () => window.volunteer.status.jobsDone >= 1;

test("a volunteer has one key in all tabs and after it comes back, and another one after forget()", async (t) => {
  const setting = await startSetting(t, {
    jobs: jobs(40, job),
    args: operator,
  });
  const { tracker, proxy, site } = setting;
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await until(page, computed);
  await page.evaluate(() => window.volunteer.stop());
  const paths = proxy.requests.map(({ path }) => path);
  assert.deepEqual(paths.slice(0, 3), ["/api/nonce", "/api/new", "/api/sync"]);
  const keys = async () => (await workers(tracker)).map(({ key }) => key);
  const back = await openTab(context, { site, url: proxy.url });
  await until(back, computed);
  const [first] = await keys();
  assert.match(first, /^[-\w]{43}$/);
  await back.evaluate(() => window.volunteer.stop());
  await back.evaluate(() => window.volunteer.forget());
  const other = await openTab(context, { site, url: proxy.url });
  await until(other, computed);
  const [second] = await keys();
  assert.match(second, /^[-\w]{43}$/);
  assert.notEqual(second, first);
});

for (const [what, breaks] of [
  ["without WebCrypto", () => delete Crypto.prototype.subtle],
  [
    "whose WebCrypto never answers",
    () => (SubtleCrypto.prototype.generateKey = () => new Promise(() => {})),
  ],
  [
    "whose WebCrypto throws",
    () => (SubtleCrypto.prototype.sign = () => Promise.reject(new Error("No"))),
  ],
  [
    "that cannot keep a key",
    () => {
      const put = IDBObjectStore.prototype.put;
      IDBObjectStore.prototype.put = function (value, name) {
        if (value?.privateKey) throw new DOMException("No", "DataCloneError");
        return put.call(this, value, name);
      };
    },
  ],
]) {
  test(`a browser ${what} works without a key`, async (t) => {
    const prelude = () => `(${breaks})();`;
    const setting = await startSetting(t, {
      jobs: jobs(3, job),
      prelude,
      args: operator,
    });
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site: setting.site, url: setting.proxy.url });
    await until(page, computed);
    assert.deepEqual(
      (await workers(setting.tracker)).map(({ key }) => key),
      [null],
    );
  });
}

for (const [what, refuses] of [
  ["does not know nonces", ({ path }) => path === "/api/nonce" && { status: 404 }],
  [
    "is behind a proxy that does not pass them on",
    ({ path }) => path === "/api/nonce" && { status: 200, bare: true },
  ],
]) {
  test(`a volunteer works without a key where the tracker ${what}`, async (t) => {
    const setting = await startSetting(t, {
      jobs: jobs(3, job),
      args: operator,
    });
    setting.proxy.refuses = refuses;
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site: setting.site, url: setting.proxy.url });
    await until(page, computed);
    await untilCounters(setting.tracker, ({ done }) => done >= 1);
    assert.deepEqual(
      (await workers(setting.tracker)).map(({ key }) => key),
      [null],
    );
  });
}

test("a browser without Ed25519 has a P-256 key", async (t) => {
  const breaks = () => {
    const make = SubtleCrypto.prototype.generateKey;
    SubtleCrypto.prototype.generateKey = function (algorithm, ...more) {
      if (algorithm === "Ed25519")
        return Promise.reject(new DOMException("No", "NotSupportedError"));
      return make.call(this, algorithm, ...more);
    };
  };
  const prelude = () => `(${breaks})();`;
  const setting = await startSetting(t, { jobs: jobs(3, job), prelude, args: operator });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site: setting.site, url: setting.proxy.url });
  await until(page, computed);
  const [worker] = await workers(setting.tracker);
  assert.match(worker.key, /^[-\w]{43}$/);
});

test("a second browser that is linked is the same volunteer", async (t) => {
  const { tracker, proxy, site } = await startSetting(t, {
    jobs: jobs(400, { act: "wait", ms: 300 }),
    args: operator,
  });
  const browser = await openBrowser(t);
  const open = async () => await openTab(await browser.newContext(), { site, url: proxy.url });
  const [old, other] = [await open(), await open()];
  await until(old, computed);
  await until(other, computed);
  const keys = async () => (await workers(tracker)).map(({ key }) => key);
  const before = await keys();
  assert.equal(new Set(before).size, 2);
  const refused = await old.evaluate(() =>
    window.volunteer.link("22222-22222").then(
      () => "linked",
      ({ name, code, status }) => [name, code, status],
    ),
  );
  assert.deepEqual(refused, ["ServerError", "link_code_unknown", 404]);
  const offer = await other.evaluate(() => window.volunteer.linkCode());
  assert.match(offer.code, /^[2-9A-Z]{5}-[2-9A-Z]{5}$/);
  assert.ok(offer.expiresAt > Date.now());
  await old.evaluate((code) => window.volunteer.link(code), ` ${offer.code.toLowerCase()} `);
  const after = await keys();
  assert.equal(new Set(after).size, 1);
  assert.ok(before.includes(after[0]));
});

test("a tracker that asks for another nonce gets it", async (t) => {
  const setting = await startSetting(t, { jobs: jobs(3, job), args: operator });
  const context = await (await openBrowser(t)).newContext();
  // The browser gives out a nonce that was never one of this tracker.
  await context.route("**/api/nonce", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({
      response: answer,
      headers: { ...answer.headers(), "dpop-nonce": "stale" },
    });
  });
  const page = await openTab(context, { site: setting.site, url: setting.proxy.url });
  await until(page, computed);
  const asked = setting.proxy.requests.filter(({ path }) => path === "/api/new");
  assert.equal(asked.length, 2);
  const [worker] = await workers(setting.tracker);
  assert.match(worker.key, /^[-\w]{43}$/);
});
