import assert from "node:assert/strict";
import { test } from "node:test";

import {
  advice,
  connection,
  coreRecord,
  coreSentence,
  duration,
  isBusy,
  pictureSentence,
  size,
  statusSentence,
  timeOfDay,
  withoutCountdown,
} from "../../www/sentence.js";

const now = new Date(2026, 10, 25, 14, 0).getTime();
const evening = new Date(2026, 10, 25, 22, 30).getTime();

function status(code, changes = {}) {
  const { until = null, ...others } = changes;
  const states = { computing: "computing", stopped: "stopped", another_tab: "elsewhere" };
  return {
    state: states[code] ?? "waiting",
    reason: { code, until },
    error: null,
    elsewhere: null,
    cores: [{ state: "working" }, { state: "working" }, { state: "idle" }],
    connection: "online",
    settings: { intensity: 100 },
    ...others,
  };
}
const affair = { finished: false, begun: true, wanted: true, now };
const say = (code, changes, circumstances) =>
  statusSentence(status(code, changes), { ...affair, ...circumstances });

test("each reason has its sentence: why, and until when", () => {
  const till = { until: now + 11_200 };
  for (const [code, changes, sentence] of [
    ["computing", {}, "Working on 2 cores."],
    ["starting", {}, "Starting: your cores are getting ready."],
    ["no_jobs", till, "No open jobs. Asking again in 12 s."],
    ["no_tracker", till, "This page has no tracker that it can use. Trying again in 12 s."],
    ["unreachable", till, "The tracker cannot be reached. Trying again in 12 s."],
    ["asked_to_wait", till, "The project asks us to wait, 12 s."],
    ["asked_to_wait", { until: now }, "The project asks us to wait."],
    ["paused", { until: evening }, `Paused until ${timeOfDay(evening)}, as you asked.`],
    ["paused", {}, "Paused until you press Resume."],
    ["on_battery", {}, "Paused while this computer runs on its battery, until it is plugged in."],
    [
      "outside_hours",
      { until: evening },
      `Paused until ${timeOfDay(evening)}, when the hours you chose begin.`,
    ],
    ["hidden", {}, "Paused while this page is in the background, until you look at it again."],
    ["setup_failed", till, "The project's program could not be loaded. Trying again in 12 s."],
    ["worker_failed", till, "Your cores could not be started. Trying again in 12 s."],
    ["finishing", {}, "Finishing what was begun. No new jobs are taken."],
    ["stopping", {}, "Stopping: unfinished jobs are being put back."],
    ["stopped", {}, "Stopped. Unfinished jobs were put back for others."],
    [
      "updating",
      {},
      "The project has a new version, which is loaded when the running jobs are done.",
    ],
    ["failed", {}, "This cannot go on by itself. Press Start to try again."],
  ]) {
    assert.equal(say(code, changes), sentence);
  }
});

test("how gently it works, and what it does while the tracker is away", () => {
  const gently = { settings: { intensity: 30 }, cores: [{ state: "working" }] };
  assert.equal(say("computing", gently), "Working on 1 core, 30 % of the time.");
  const away = { connection: "unreachable" };
  assert.match(
    say("computing", away),
    /^Working on 2 cores\. The tracker cannot be reached .* kept/,
  );
});

test("before the first Start nothing was stopped", () => {
  const sentence = say("stopped", {}, { begun: false, wanted: false });
  assert.equal(sentence, "Nothing runs until you press Start.");
});

test("another tab's reason is told as its own, and what becomes of this one", () => {
  const there = (code, until = null) => ({ elsewhere: { state: "", reason: { code, until } } });
  const looking = { begun: false, wanted: false };
  assert.equal(
    say("another_tab", there("computing"), looking),
    "Another tab of this browser does it: Working on 2 cores.",
  );
  assert.equal(
    say("another_tab", there("paused", evening), looking),
    `Another tab of this browser does it: Paused until ${timeOfDay(evening)}, as you asked.`,
  );
  assert.equal(
    say("another_tab"),
    "Another tab of this browser does it. When it is closed, this one takes over.",
  );
});

test("a finished poster is told when nothing runs any more", () => {
  const finished = { finished: true };
  assert.equal(say("stopped", {}, finished), "The poster is finished. Thank you!");
  assert.match(say("stopping", { state: "stopping" }, finished), /^Stopping/);
});

test("a wait counts down to now", () => {
  const at = (ms) => say("no_jobs", { until: now + 12_000 }, { now: now + ms });
  assert.equal(at(11_000), "No open jobs. Asking again in 1 s.");
  assert.equal(at(12_000), "No open jobs. Asking again now.");
});

test("a screen reader hears the matter once, not each second of it", () => {
  const spoken = (code, changes) => withoutCountdown(say(code, changes));
  assert.equal(spoken("no_jobs", { until: now + 9000 }), "No open jobs.");
  assert.equal(spoken("unreachable", { until: now }), "The tracker cannot be reached.");
  assert.equal(spoken("asked_to_wait", { until: now + 9000 }), "The project asks us to wait.");
  assert.equal(spoken("computing"), "Working on 2 cores.");
  const elsewhere = { elsewhere: { state: "", reason: { code: "no_jobs", until: now + 9000 } } };
  assert.equal(
    spoken("another_tab", elsewhere),
    "Another tab of this browser does it: No open jobs. When it is closed, this one takes over.",
  );
});

test("what went wrong is told with what to do", () => {
  assert.equal(advice(status("computing")), "");
  const error = { message: "A worker did not start." };
  assert.match(advice(status("worker_failed", { error })), /reload this page\. .* did not start\./);
  assert.match(advice(status("failed", { error })), /come back later\. .* did not start\./);
  assert.match(advice(status("setup_failed")), /reload this page\.$/);
  const elsewhere = { code: "moved", message: "It has moved.", address: "https://new.example" };
  const moved = advice(status("no_tracker", { error: elsewhere }));
  assert.match(moved, /open https:\/\/new\.example instead\. .* It has moved\./);
  const banned = status("no_tracker", { error: { code: "banned", message: "Not from here." } });
  assert.match(advice(banned), /write to the project\.$/);
  const forbidden = { code: "origin_forbidden", message: "It lets nobody in." };
  assert.match(advice(status("no_tracker", { error: forbidden })), /runs this page\. .* nobody in/);
});

test("only what runs has a connection, and is busy", () => {
  assert.equal(connection({ state: "stopped", connection: "online" }), "");
  assert.equal(connection({ state: "waiting", connection: "unreachable" }), "cannot be reached");
  assert.equal(connection({ state: "computing", connection: "online" }), "good");
  const busy = ["starting", "computing", "waiting", "paused", "stopping"];
  for (const state of busy) assert.ok(isBusy({ state }), state);
  for (const state of ["stopped", "failed", "elsewhere"]) assert.ok(!isBusy({ state }), state);
});

test("a core says what it does with which job", () => {
  const names = { a: "Render", b: "Check", c: "Frame" };
  const told = (state, job = null, stage = null) => coreSentence({ state, job, stage }, names);
  assert.equal(told("starting"), "Getting ready.");
  assert.equal(told("idle"), "Waiting for a job.");
  assert.equal(told("working", 12, "a"), "Rendering job 12.");
  assert.equal(told("working", 12, "b"), "Checking job 12.");
  assert.equal(told("working", 12, "c"), "Working on job 12.");
  assert.equal(told("paused", 12, "a"), "Resting in the middle of job 12.");
});

test("a core's record is its jobs and its speed", () => {
  assert.equal(coreRecord({ jobs: 0, jobsPerMinute: 0 }), "No job done yet");
  assert.equal(coreRecord({ jobs: 1, jobsPerMinute: 2.04 }), "1 done, 2.0 a minute");
  assert.equal(coreRecord({ jobs: 99, jobsPerMinute: 212.7 }), "99 done, 213 a minute");
});

test("the picture's sentence tells what grey means only where there is grey", () => {
  const tiles = 160;
  const told = (checked, rendered) => pictureSentence({ tiles, checked, rendered });
  assert.equal(told(0, 0), "None of 160 tiles is painted yet.");
  assert.equal(told(43, 0), "43 of 160 tiles painted and checked.");
  assert.match(told(43, 2), /43 of 160 .* 2 more in grey/);
  assert.equal(told(160, 0), "All 160 tiles painted and checked.");
});

test("times and amounts are told roughly", () => {
  assert.equal(duration(9999), "9 s");
  assert.equal(duration(130_000), "2 min 10 s");
  assert.equal(duration(3_725_000), "1 h 2 min");
  const sizes = [0, 1, 400_300, 12_340_000, 5_678_000_000].map(size);
  assert.deepEqual(sizes, ["0 kB", "1 kB", "401 kB", "12.3 MB", "5.68 GB"]);
});
