// Checks every behaviour of the faulty server, because a test of the client against a server that
// behaves correctly by mistake would pass.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { splitPath, startFaultyServer } from "./server.mjs";

let server;
before(async () => (server = await startFaultyServer()));
after(() => server.stop());

/** Calls of one tracker; `base` is a path such as `/old/s/1`. */
function at(base) {
  const url = server.url + base;
  const get = (path) => fetch(url + path);
  const post = (path, body) =>
    fetch(url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const register = async (stage = "a", nickname = "tester") => {
    const query = new URLSearchParams({ stage, nickname });
    return (await (await get(`/api/new?${query}`)).json()).token;
  };
  return { get, post, register };
}

async function statusAndText(response) {
  const answer = await response;
  return [answer.status, await answer.text()];
}

test("a path is split into behaviour, arguments, own tracker and call", () => {
  const split = splitPath("/busy/2/1/s/mine/api/newJob");
  assert.deepEqual(split.args, ["2", "1"]);
  assert.equal(split.base, "/busy/2/1/s/mine");
  assert.equal(split.path, "/api/newJob");
  assert.equal(splitPath("/toString/api/new"), undefined);
  assert.equal(splitPath("/old").base, "/old");
});

test("old: a job goes through both stages and is closed", async () => {
  const tracker = at("/old/s/stages");
  const token = await tracker.register();
  const job = await (await tracker.post("/api/newJob", { token })).json();
  assert.deepEqual(job, { data: "shard_1.tar", number: 1 });
  const done = await tracker.post("/api/completeJob", { token, data: "half" });
  assert.deepEqual(await statusAndText(done), [200, "200 OK"]);
  const second = await tracker.register("b");
  const next = await (await tracker.post("/api/newJob", { token: second })).json();
  assert.deepEqual(next, { data: null, number: 1 });
  await tracker.post("/api/completeJob", { token: second, data: "whole" });
  assert.equal(await (await tracker.get("/api/jobCount?stage=a")).text(), "99");
  assert.equal(await (await tracker.get("/api/jobCount?stage=b")).text(), "0");
  assert.equal(await (await tracker.get("/api/jobCount?stage=c")).text(), "0");
  assert.equal((await tracker.get("/api/jobCount?stage=A")).status, 400);
});

test("old: no header names the error, and each status is the protocol's", async () => {
  const tracker = at("/old/s/errors");
  const token = await tracker.register();
  const unknown = { token: "nobody" };
  const expected = [
    [tracker.get("/api/new?stage=x&nickname=n"), 400, "Invalid worker stage: 'x'"],
    [tracker.get("/api/new?stage=c&nickname=n"), 400, "The worker stage 'c' is disabled."],
    [tracker.get("/api/new?stage=a"), 422, "Field required"],
    [tracker.get(`/api/new?stage=a&nickname=${"n".repeat(129)}`), 500, "Internal Server Error"],
    [tracker.post("/api/newJob", unknown), 404, "The server could not find this worker."],
    [tracker.post("/api/completeJob", { token, data: "x" }), 403, "You do not have an open job."],
    [tracker.post("/api/completeJob", { token, data: null }), 422, "should be a valid string"],
    [tracker.post("/api/completeJob", "not json"), 422, "JSON decode error"],
    [tracker.post("/api/completeJob", "[1]"), 422, "valid dictionary or object"],
    [tracker.post("/api/completeJob", { token }), 422, "Field required"],
    [tracker.post("/api/flagInvalidData", { token }), 403, "not currently working"],
    [tracker.post("/api/updateProgress", { token, progress: "x".repeat(256) }), 404, "time out"],
    [tracker.post("/api/updateProgress", { ...unknown, progress: "x" }), 200, "200 OK"],
    [tracker.post("/api/validateWorker", unknown), 200, "False"],
    [tracker.post("/api/validateWorker", { token }), 200, "True"],
    [tracker.post("/api/bye", unknown), 404, "The server could not find this worker."],
    [tracker.get("/api/newJob"), 405, "Method Not Allowed"],
    [tracker.get("/nowhere"), 404, "Not Found"],
  ];
  for (const [response, status, text] of expected) {
    const answer = await response;
    const body = await answer.text();
    assert.equal(answer.status, status, body);
    assert.ok(body.includes(text), body);
    assert.equal(answer.headers.get("distcompute-error"), null);
  }
});

test("old: a repeated completeJob is 403, and newJob puts the held job back", async () => {
  const tracker = at("/old/s/repeat");
  const token = await tracker.register();
  await tracker.post("/api/newJob", { token });
  const again = await (await tracker.post("/api/newJob", { token })).json();
  assert.equal(again.number, 1);
  await tracker.post("/api/completeJob", { token, data: "x" });
  const repeated = await tracker.post("/api/completeJob", { token, data: "x" });
  const text = "This job has already been marked as completed.";
  assert.deepEqual(await statusAndText(repeated), [403, text]);
});

test("old: bye puts the job back, and the fifth flag at stage b is refused", async () => {
  const tracker = at("/old/s/flags");
  const first = await tracker.register();
  await tracker.post("/api/newJob", { token: first });
  await tracker.post("/api/bye", { token: first });
  assert.equal(await (await tracker.get("/api/jobCount?stage=a")).text(), "100");
  const maker = await tracker.register();
  await tracker.post("/api/newJob", { token: maker });
  await tracker.post("/api/completeJob", { token: maker, data: "bad" });
  const checker = await tracker.register("b");
  for (const expected of [200, 200, 200, 200, 422]) {
    assert.equal((await tracker.post("/api/newJob", { token: checker })).status, 200);
    assert.equal((await tracker.post("/api/flagInvalidData", { token: checker })).status, expected);
  }
});

test("cors: every behaviour but one lets other origins in", async () => {
  const preflight = await fetch(`${server.url}/old/api/newJob`, { method: "OPTIONS" });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "Content-Type");
  const answer = await at("/old").get("/api/jobCount?stage=a");
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  const closed = await at("/no-cors").get("/api/jobCount?stage=a");
  assert.equal(closed.status, 200);
  assert.equal(closed.headers.get("access-control-allow-origin"), null);
  const refused = await fetch(`${server.url}/no-cors/api/newJob`, { method: "OPTIONS" });
  assert.equal(refused.status, 405);
});

test("redirect: the call arrives at /old with its body", async () => {
  const tracker = at("/redirect/s/r");
  const token = await tracker.register();
  const job = await (await tracker.post("/api/newJob", { token })).json();
  assert.equal(job.number, 1);
  const seen = await (await fetch(`${server.url}/log?base=/old/s/r`)).json();
  assert.equal(seen.at(-1).body, JSON.stringify({ token }));
});

test("flaky: the first calls break, each call for itself", async () => {
  const tracker = at("/flaky/2/s/f");
  const count = () => tracker.get("/api/jobCount?stage=a");
  await assert.rejects(count());
  await assert.rejects(count());
  assert.equal(await (await count()).text(), "100");
  await assert.rejects(tracker.register());
});

test("busy: 503 with a Retry-After that scripts may read, then all is well", async () => {
  const tracker = at("/busy/1/3/s/b");
  const answer = await tracker.get("/api/jobCount?stage=a");
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("retry-after"), "3");
  assert.equal(answer.headers.get("access-control-expose-headers"), "Retry-After");
  assert.equal((await tracker.get("/api/jobCount?stage=a")).status, 200);
});

test("swallow-complete: the result is taken although no answer comes", async () => {
  const tracker = at("/swallow-complete/s/sw");
  const token = await tracker.register();
  await tracker.post("/api/newJob", { token });
  await assert.rejects(tracker.post("/api/completeJob", { token, data: "x" }));
  assert.equal((await tracker.post("/api/completeJob", { token, data: "x" })).status, 403);
  assert.equal(await (await tracker.get("/api/jobCount?stage=b")).text(), "1");
});

test("hang: a worker is registered, and nothing else is ever answered", async () => {
  const tracker = at("/hang/s/h");
  const token = await tracker.register();
  assert.ok(token);
  const hanging = fetch(`${server.url}/hang/s/h/api/jobCount?stage=a`, {
    signal: AbortSignal.timeout(200),
  });
  await assert.rejects(hanging, { name: "TimeoutError" });
});

test("slow: the answer takes its time", async () => {
  const since = performance.now();
  assert.equal((await at("/slow/150").get("/api/jobCount?stage=a")).status, 200);
  assert.ok(performance.now() - since >= 145);
});

test("fail: one call fails and the others work", async () => {
  const tracker = at("/fail/completeJob/500/s/x");
  const token = await tracker.register();
  assert.equal((await tracker.post("/api/newJob", { token })).status, 200);
  assert.equal((await tracker.post("/api/completeJob", { token, data: "x" })).status, 500);
});

test("status, html, garbage: the same for every call", async () => {
  const gateway = await at("/status/502").get("/api/new?stage=a&nickname=n");
  assert.deepEqual(await statusAndText(gateway), [502, "Bad Gateway"]);
  const page = await at("/html").post("/api/newJob", { token: "x" });
  assert.equal(page.status, 200);
  assert.ok((await page.text()).startsWith("<!doctype html>"));
  const garbage = await at("/garbage").get("/api/new?stage=a&nickname=n");
  assert.equal(garbage.status, 200);
  await assert.rejects(garbage.json());
});

test("json: a JSON object that no tracker answers", async () => {
  const answer = await at("/json").get("/api/new?stage=a&nickname=n");
  assert.deepEqual(await answer.json(), { hello: "world" });
});

test("endless: one answer never ends, and the log counts its bytes until it is closed", async () => {
  const { extensions } = await (await at("/endless/sync/s/e").get("/api/new")).json();
  assert.deepEqual(extensions, ["sync"]);
  await assert.rejects(at("/endless/project/s/e").get("/api/new"));
  const controller = new AbortController();
  const path = "/endless/project/s/e/api/project";
  const answer = await fetch(server.url + path, { signal: controller.signal });
  const reader = answer.body.getReader();
  for (let read = 0; read < 1_000_000; read += (await reader.read()).value.length);
  controller.abort();
  const entry = server.log("/endless/project/s/e").at(-1);
  while (!entry.closed) await new Promise((wake) => setTimeout(wake, 10));
  assert.equal(entry.path, "/api/project");
  assert.ok(entry.bytes >= 1_000_000);
});

test("null-data and bad-json-data: the worker is real, the job's data is not", async () => {
  const empty = at("/null-data/s/n");
  const token = await empty.register();
  const job = await (await empty.post("/api/newJob", { token })).json();
  assert.deepEqual(job, { data: null, number: 1 });
  assert.equal((await empty.post("/api/completeJob", { token, data: "x" })).status, 200);
  const bad = at("/bad-json-data/s/n");
  const other = await bad.register();
  const broken = await (await bad.post("/api/newJob", { token: other })).json();
  assert.deepEqual(broken, { data: "<!json!>{oops", number: 1 });
});

test("log: what was sent, for each base alone", async () => {
  const tracker = at("/old/s/log");
  const token = await tracker.register("a", "Ada");
  await tracker.post("/api/updateProgress", { token, progress: "half" });
  const log = await (await fetch(`${server.url}/log?base=/old/s/log`)).json();
  assert.deepEqual(
    log.map(({ method, path }) => [method, path]),
    [
      ["GET", "/api/new"],
      ["POST", "/api/updateProgress"],
    ],
  );
  assert.equal(log[0].query, "?stage=a&nickname=Ada");
  assert.deepEqual(JSON.parse(log[1].body), { token, progress: "half" });
  assert.ok(Math.abs(log[1].time - Date.now()) < 60_000);
  const other = await (await fetch(`${server.url}/log?base=/old/s/nobody`)).json();
  assert.deepEqual(other, []);
});
