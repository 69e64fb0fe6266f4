// The client's benchmark: the calculation of rates, its proxy, and its report.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { judged, report, summary } from "../../bench/client-report.mjs";
import { accepted, readArguments, reportedRate } from "../../bench/client.mjs";
import { startProxy } from "../../bench/proxy.mjs";

const round = (contender, more = {}) => ({
  ...{ contender, job_ms: 100, delay_ms: 100, workers: 2, efficiency: 0.5, jobs_per_s: 10 },
  ...{ requests_per_job: 2, took_ms: 100, browser: 80, tracker: 5, proxy: 3, others: 1, ...more },
});

test("rates of results and requests are measured between batches of results", () => {
  const looks = [3, 3, 20, 20, 40, 60, 60].map((jobs, index) => ({ at: 1000 * index, jobs }));
  const requests = [500, 2000, 2100, 4000, 5000, 5500].map((at) => ({ at }));
  assert.deepEqual(accepted(looks, requests), { jobs_per_s: 40 / 3, requests_per_job: 3 / 40 });
});

test("the rate of each worker without a tracker is measured between ends of its own jobs", () => {
  const worker = (jobs, at) => ({ jobs, at });
  const before = { workers: [worker(1, 1000), worker(5, 1500)] };
  const after = { workers: [worker(11, 3000), worker(9, 2500)] };
  assert.equal(reportedRate(before, after).jobs_per_s, 5 + 4);
});

test("the client: rounds of the same kind are combined into one figure", () => {
  const rounds = [
    round("two calls", { jobs_per_s: 8, efficiency: 0.4 }),
    round("memory", { requests_per_job: null }),
    round("two calls", { jobs_per_s: 12.3456, efficiency: 0.6 }),
    round("two calls", { jobs_per_s: 9, job_ms: 10 }),
  ];
  const figures = summary(rounds);
  const shown = figures.map((one) => [one.contender, one.job_ms, one.jobs_per_s, one.efficiency]);
  assert.deepEqual(shown, [
    ["two calls", 100, 10.17, 0.5],
    ["memory", 100, 10, 0.5],
    ["two calls", 10, 9, 0.5],
  ]);
  assert.equal(figures[1].requests_per_job, null);
  const spreads = figures.map((one) => one.efficiency_spread);
  assert.deepEqual(spreads, [
    [0.4, 0.6],
    [0.5, 0.5],
    [0.5, 0.5],
  ]);
});

test("the client: each goal is evaluated with its own row", () => {
  const sync = (more) => round("engine, sync", more);
  const figures = [
    sync({ efficiency: 0.99, workers: 1 }),
    sync({ efficiency: 0.969, workers: 1, job_ms: 10 }),
    sync({ efficiency: 0.95, workers: 1, job_ms: 1, delay_ms: 0 }),
    sync({ efficiency: 0.97 }),
    sync({ efficiency: 0.899, job_ms: 10 }),
    sync({ efficiency: 0.7, job_ms: 1, delay_ms: 0 }),
    sync({ jobs_per_s: 2000, job_ms: 0, delay_ms: 0 }),
    round("two calls", { jobs_per_s: 101, job_ms: 0, delay_ms: 0 }),
    sync({ requests_per_job: 0.2, job_ms: 1000, delay_ms: 0, workers: 4 }),
    round("engine, old", { efficiency: 0.9 }),
  ];
  const idle = { core_percent: 1, every_s: 15, wait_s: 15 };
  const starts = { median_ms: 300, least_ms: 200, most_ms: 400 };
  const verdicts = judged({ figures, idle, starts, packageBytes: 120_001 }).map(
    ({ value, met }) => [Number(value.toFixed(3)), met],
  );
  assert.deepEqual(verdicts, [
    [0.99, true],
    [0.969, false],
    [0.95, true],
    [0.97, true],
    [0.899, false],
    [0.7, true],
    [19.802, false],
    [0.2, true],
    [0.9, true],
    [300, false],
    [120.001, false],
    [1, false],
    [1, true],
  ]);
  assert.deepEqual(judged({ figures: [round("memory")] }), []);
});

test("the client: the report as Markdown", () => {
  const spread = { efficiency_spread: [0.4, 0.6] };
  const figures = [round("memory", { requests_per_job: null, jobs_per_s: 1234.5, ...spread })];
  const text = report({ figures, facts: ["2 cores"], how: ["so"] });
  assert.match(
    text,
    /^\| memory +\| +100 \| +100 \| +2 \| +0.5 \| 0.4 – 0.6 \| 1,234.5 \| +\| +100 \| +80 \|/m,
  );
});

test("the client: only a complete run is published", () => {
  assert.equal(readArguments(["--rounds", "1", "--idle-seconds", "30"]).everything, true);
  for (const part of [["--quick"], ["--jobs", "10,0"], ["--contenders", "two"], ["--workers", "4"]])
    assert.equal(readArguments(part).everything, false, part.join(" "));
  const part = readArguments(["--jobs", "10,0", "--contenders", "memory,idle"]);
  assert.deepEqual(
    [part.jobs, part.contenders],
    [
      [10, 0],
      ["memory", "idle"],
    ],
  );
  assert.throws(() => readArguments(["--jobs", "7"]), /Invalid option: --jobs 7/);
});

/** Starts a server that echoes its requests, and the proxy in front of it. */
async function proxied(t, wanted) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url.startsWith("/api/new?"))
      body = '{"token":"t","stage_name":"CPU","extensions":["sync"],"lease_s":300}';
    response.end(body);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  t.after(() => server.close());
  const proxy = await startProxy({ url: `http://127.0.0.1:${server.address().port}`, ...wanted });
  t.after(() => proxy.stop());
  const post = (call, body) => fetch(`${proxy.url}/api/${call}`, { method: "POST", body });
  return { proxy, post };
}

test("the proxy counts the API requests of each connection", async (t) => {
  const { proxy, post } = await proxied(t, {});
  const long = "x".repeat(300_000);
  const answered = proxy.answer();
  assert.equal(await (await post("completeJob", long)).text(), long);
  await fetch(`${proxy.url}/bench/page.js`);
  await Promise.all([post("newJob", "1"), post("newJob", "2")]);
  await answered;
  assert.equal(proxy.answered.length, 3);
  assert.ok(proxy.answered.at(-1) <= performance.now());
  const paths = proxy.requests.map(({ path }) => path);
  assert.deepEqual(paths, ["/api/completeJob", "/api/newJob", "/api/newJob"]);
});

test("the proxy delays answers of several connections in parallel", async (t) => {
  const { post } = await proxied(t, { delayMs: 200 });
  const since = performance.now();
  await Promise.all(["1", "2", "3", "4", "5"].map((body) => post("newJob", body)));
  const took = performance.now() - since;
  assert.ok(took >= 198 && took < 900, `${took} ms`);
});

test("the proxy hides sync, so that a tracker looks like one of the first protocol", async (t) => {
  const { proxy, post } = await proxied(t, { old: true });
  const registered = await (await fetch(`${proxy.url}/api/new?stage=a`)).json();
  assert.deepEqual(registered, { token: "t", stage_name: "CPU" });
  const refused = await post("sync", "x".repeat(100_000));
  assert.deepEqual([refused.status, await refused.text()], [404, "Not Found"]);
  assert.equal(await (await post("newJob", "again")).text(), "again");
});
