// What `distcompute check` finds wrong with a handler.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  judge,
  judgeCheckpoint,
  judgeDurations,
  judgeStop,
  ownersPart,
} from "../../../packages/distcompute/src/check/judge.js";
import { readOptions } from "../../../packages/distcompute/src/check/options.js";
import { watched } from "../../../packages/distcompute/src/check/watched.js";

const quiet = { ms: 50, calls: 3, longestGapMs: 20, isBackwards: false, isBeyond: false };
const ran = (more) => ({
  output: { a: 1 },
  failure: null,
  checkpoints: [],
  bytes: 7,
  seen: quiet,
  ...more,
});
const levels = (found) => found.map(({ level }) => level);

test("a job that is done leaves nothing to say", () => {
  assert.deepEqual(judge(ran()), []);
});

test("failures are errors, with the owner's part of the stack", () => {
  const stack = [
    "TypeError: no",
    "    at f (/home/me/project/worker.js:2:5)",
    "    at M.call (/x/node_modules/distcompute-client/index.js:1:8)",
    "    at run (/x/node_modules/distcompute/src/check/worker.js:58:17)",
    "    at node:internal/main:1",
  ].join("\n");
  const short = "TypeError: no\n    at f (/home/me/project/worker.js:2:5)";
  assert.equal(ownersPart(stack), short);
  const of = (failure) => judge(ran({ output: undefined, failure }))[0];
  assert.deepEqual(of({ kind: "failed", message: stack }), { level: "error", message: short });
  assert.match(of({ kind: "setup", message: stack }).message, /^setup has thrown\.\nTypeError/);
  assert.match(of({ kind: "invalid", message: "no shard" }).message, /as invalid: no shard/);
  assert.match(judge({ died: "out of memory" })[0].message, /worker has ended: out of memory/);
});

test("a large output is a warning, and one that no tracker takes an error", () => {
  assert.deepEqual(levels(judge(ran({ bytes: 1_000_000 }))), []);
  assert.deepEqual(levels(judge(ran({ bytes: 1_000_001 }))), ["warning"]);
  const [found] = judge(ran({ bytes: 16_777_216 }));
  assert.deepEqual(found, {
    level: "error",
    message:
      "The output is 16.8 MB of JSON, and the tracker takes 16.7 MB (max_body). Store it elsewhere.",
  });
});

test("progress is asked for in long jobs, and must count up to its total", () => {
  const of = (seen) => judge(ran({ seen: { ...quiet, ...seen } })).map(({ message }) => message);
  assert.match(of({ calls: 0, ms: 4200 })[0], /^progress was not called in 4\.2 s/);
  assert.deepEqual(of({ calls: 0, ms: 1500 }), []);
  assert.match(of({ ms: 9000, longestGapMs: 3000 })[0], /^progress was not called for 3\.0 s/);
  assert.match(of({ isBeyond: true })[0], /done beyond total/);
  assert.match(of({ isBackwards: true })[0], /went back/);
});

test("a job that is too slow says how long it would take", () => {
  const of = (share) => judge({ timedOut: { afterMs: 30_000, share } })[0].message;
  assert.match(of(0.25), /within 30 s .* 25 % was done\. It would take about 120 s\./);
  assert.match(of(undefined), /has not called progress/);
  assert.match(of(0), /nothing was done/);
});

test("checkpoints are too many only by their rate", () => {
  const of = (count, ms) =>
    levels(judge(ran({ checkpoints: Array(count).fill(1), seen: { ...quiet, ms } })));
  assert.deepEqual(of(10, 1), []);
  assert.deepEqual(of(11, 1), ["warning"]);
  assert.deepEqual(of(29, 10_000), []);
  assert.deepEqual(of(31, 10_000), ["warning"]);
});

test("a handler that catches what stops it is found", () => {
  const of = (seen) => levels(judgeStop({ seen: { ...quiet, ...seen } }));
  assert.deepEqual(of({ stopped: true, obeyed: true }), []);
  assert.deepEqual(of({ stopped: true, obeyed: false }), ["error"]);
  assert.deepEqual(of({ stopped: false, obeyed: false }), []);
  assert.deepEqual(levels(judgeStop({ timedOut: { afterMs: 1000 } })), ["error"]);
});

test("a continued job must have the same output, where that is always the same", () => {
  const of = (whole, again, continued, readsRestored = true) =>
    judgeCheckpoint({
      whole: ran({ output: whole }),
      again: ran({ output: again }),
      continued: ran({ output: continued, seen: { ...quiet, readsRestored } }),
    });
  assert.deepEqual(of(1, 1, 1), []);
  assert.match(
    of({ sum: 3 }, { sum: 3 }, { sum: 5 })[0].message,
    /whole: +\{"sum":3\}\n.*\{"sum":5\}/,
  );
  assert.deepEqual(of(1, 2, 3), [], "an output that is another one each time");
  assert.deepEqual(levels(of(1, 1, 1, false)), ["warning"]);
});

test("jobs of a moment are better combined", () => {
  assert.deepEqual(judgeDurations([]), []);
  assert.deepEqual(judgeDurations([1, 6]), []);
  assert.deepEqual(levels(judgeDurations([1, 2])), ["warning"]);
});

test("what a handler does with its context is observed, and reaches the real one", async () => {
  const calls = [];
  const context = {
    progress: (...args) => calls.push(args),
    get restored() {
      return "state";
    },
  };
  const run = async (handler, stop = false) => {
    const { parts, seen } = watched(
      { handler, setup: () => 1, hander: 2 },
      {
        setup: () => 2,
        stop,
        onProgress: () => {},
      },
    );
    assert.deepEqual(Object.keys(parts).sort(), ["hander", "handler", "setup"]);
    assert.equal(parts.setup(), 2);
    try {
      return { output: await parts.handler({}, context), seen };
    } catch (error) {
      return { error, seen };
    }
  };
  const polite = (_, { progress, restored }) => {
    progress(2, 1);
    progress(1, 1, "text");
    return restored;
  };
  const { output, seen } = await run(polite);
  assert.equal(output, "state");
  assert.deepEqual(calls, [
    [2, 1, undefined],
    [1, 1, "text"],
  ]);
  assert.deepEqual(
    [seen.calls, seen.isBeyond, seen.isBackwards, seen.readsRestored, seen.stopped],
    [2, true, true, true, false],
  );
  const stopped = await run(polite, true);
  assert.deepEqual([stopped.error.name, stopped.seen.obeyed], ["AbortError", true]);
  const deaf = await run(async (_, { progress }) => {
    try {
      progress(0, 1);
    } catch {
      return "done all the same";
    }
  }, true);
  assert.deepEqual(
    [deaf.output, deaf.seen.stopped, deaf.seen.obeyed],
    ["done all the same", true, false],
  );
});

test("options have defaults", () => {
  const options = readOptions(["worker.js", "inputs.jsonl"]);
  assert.deepEqual([options.count, options.timeoutMs, options.stages], [3, 30_000, undefined]);
  assert.deepEqual(readOptions(["w", "i", "--stage", "bc"]).stages, ["b", "c"]);
  for (const [args, expected] of [
    [["worker.js"], /takes the path of a script and a file of inputs/],
    [["w", "i", "--stage", "ac"], /follow each other/],
    [["w", "i", "--count", "0"], /from 1 to 100000/],
    [["w", "i", "--slow"], /Unknown option '--slow'/],
  ]) {
    assert.throws(() => readOptions(args), expected);
  }
});
