import assert from "node:assert/strict";
import { test } from "node:test";

import { delay, isOutage, nextTask, sleep, timeLimit } from "../../www/waiting.js";

const whys = ["no_jobs", "unreachable"];

test("waits grow to a minute and no further", () => {
  for (const why of whys) {
    const waits = Array.from({ length: 40 }, (_, attempt) => delay(why, attempt, 0.999));
    for (const [at, wait] of waits.entries()) assert.ok(at === 0 || wait >= waits[at - 1]);
    assert.ok(waits[0] > 1000 && waits[0] < 5000);
    assert.ok(waits[39] > 55_000 && waits[39] <= 60_000);
  }
});

test("two volunteers who began together do not come back together", () => {
  for (const why of whys) assert.ok(delay(why, 5, 0.9) - delay(why, 5, 0.1) > 3000);
});

test("a call may take longer each time that it is repeated, up to a minute", () => {
  assert.equal(timeLimit(0), 8000);
  assert.equal(timeLimit(1), 16_000);
  assert.equal(timeLimit(50), 60_000);
});

test("only what may pass is waited for", () => {
  for (const name of ["UnreachableError", "TimeoutError", "ServerError"]) {
    assert.ok(isOutage({ name, code: "unavailable" }), name);
  }
  for (const name of ["ZeroJobError", "WorkerTimedOutError", "AbortError", "RuntimeError"]) {
    assert.ok(!isOutage({ name }), name);
  }
  assert.ok(!isOutage({ name: "ServerError", code: "bad_job_data" }));
  assert.ok(!isOutage(undefined));
});

test("sleep ends at once when it is aborted, also before it began", async () => {
  const stopping = new AbortController();
  const sleeping = sleep(60_000, stopping.signal);
  stopping.abort(new Error("stop"));
  await assert.rejects(sleeping, { message: "stop" });
  assert.throws(() => stopping.signal.throwIfAborted());
  await assert.rejects(sleep(60_000, stopping.signal), { message: "stop" });
});

test("sleep lasts as long as it says", async () => {
  const begun = performance.now();
  await sleep(30, new AbortController().signal);
  assert.ok(performance.now() - begun >= 25);
});

test("messages that have come in are handled before the next task", async () => {
  const { port1, port2 } = new MessageChannel();
  let heard = false;
  port1.onmessage = () => {
    heard = true;
    port1.close();
  };
  port2.postMessage("stop");
  for (let turn = 0; turn < 100 && !heard; turn += 1) await nextTask();
  assert.ok(heard);
});
