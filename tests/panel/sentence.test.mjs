import assert from "node:assert/strict";
import { test } from "node:test";

import {
  advice,
  connection,
  coreRecord,
  coreSentence,
  isBusy,
  statusSentence,
} from "../../packages/volunteer-panel/src/sentence.js";
import { Words } from "../../packages/volunteer-panel/src/words.js";

const words = Words.english;
const timeOfDay = (moment) => words.timeOfDay(moment);

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
const context = { words, finished: "", begun: true, wanted: true, now };
const sentenceOf = (code, changes, more) =>
  statusSentence(status(code, changes), { ...context, ...more });

test("the sentence of each reason says why, and until when", () => {
  const till = { until: now + 11_200 };
  for (const [code, changes, sentence] of [
    ["computing", {}, "Working on 2 cores."],
    ["starting", {}, "Starting: your cores are getting ready."],
    ["no_jobs", till, "No open jobs. Asking again in 12 sec."],
    [
      "project_paused",
      { notice: "Back at noon." },
      "The project is paused by the people who run it. Back at noon.",
    ],
    ["no_tracker", till, "This page has no tracker that it can use. Trying again in 12 sec."],
    ["unreachable", till, "The tracker cannot be reached. Trying again in 12 sec."],
    ["asked_to_wait", till, "The project asks us to wait for 12 sec."],
    ["asked_to_wait", { until: now }, "The project asks us to wait."],
    ["paused", { until: evening }, `Paused until ${timeOfDay(evening)}, as you asked.`],
    ["paused", {}, "Paused until you press Resume."],
    ["on_battery", {}, "Paused while this computer runs on battery, until you plug it in."],
    [
      "outside_hours",
      { until: evening },
      `Paused until ${timeOfDay(evening)}, when the hours you chose begin.`,
    ],
    ["hidden", {}, "Paused while this page is in the background, until you return to it."],
    ["setup_failed", till, "The project's program could not be loaded. Trying again in 12 sec."],
    ["worker_failed", till, "Your cores could not be started. Trying again in 12 sec."],
    ["jobs_fail", till, "Jobs keep failing on this computer. Trying again in 12 sec."],
    ["finishing", {}, "Finishing the running jobs. No new jobs are taken."],
    ["stopping", {}, "Stopping: unfinished jobs go back to the project."],
    ["stopped", {}, "Stopped. Unfinished jobs went back to the project."],
    ["updating", {}, "The project has a new version. It is loaded when the running jobs are done."],
    ["failed", {}, "Something went wrong, and work has stopped. Press Start to try again."],
  ]) {
    assert.equal(sentenceOf(code, changes), sentence);
  }
});

test("the sentence includes the intensity, and whether the tracker can be reached", () => {
  const gently = { settings: { intensity: 30 }, cores: [{ state: "working" }] };
  assert.equal(sentenceOf("computing", gently), "Working on 1 core, 30% of the time.");
  const away = { connection: "unreachable" };
  assert.match(
    sentenceOf("computing", away),
    /^Working on 2 cores\. The tracker cannot be reached .* kept/,
  );
});

test("before the first Start the sentence does not say that something was stopped", () => {
  const sentence = sentenceOf("stopped", {}, { begun: false, wanted: false });
  assert.equal(sentence, "Nothing runs until you press Start.");
});

test("the sentence describes the tab that computes, and when this one takes over", () => {
  const there = (code, until = null) => ({ elsewhere: { state: "", reason: { code, until } } });
  const looking = { begun: false, wanted: false };
  assert.equal(
    sentenceOf("another_tab", there("computing"), looking),
    "In another tab: Working on 2 cores.",
  );
  assert.equal(
    sentenceOf("another_tab", there("paused", evening), looking),
    `In another tab: Paused until ${timeOfDay(evening)}, as you asked.`,
  );
  assert.equal(
    sentenceOf("another_tab"),
    "Another tab is already computing. When that tab is closed, this one takes over.",
  );
});

test("the end of a project is announced when nothing runs any more", () => {
  const finished = { finished: "The poster is finished." };
  assert.equal(sentenceOf("stopped", {}, finished), "The poster is finished.");
  assert.match(sentenceOf("stopping", { state: "stopping" }, finished), /^Stopping/);
});

test("a wait counts down to now", () => {
  const at = (ms) => sentenceOf("no_jobs", { until: now + 12_000 }, { now: now + ms });
  assert.equal(at(11_000), "No open jobs. Asking again in 1 sec.");
  assert.equal(at(12_000), "No open jobs. Asking again now.");
});

test("the sentence for screen readers has no countdown", () => {
  const spoken = (code, changes) => sentenceOf(code, changes, { countdown: false });
  assert.equal(spoken("no_jobs", { until: now + 9000 }), "No open jobs.");
  assert.equal(spoken("unreachable", { until: now }), "The tracker cannot be reached.");
  assert.equal(spoken("asked_to_wait", { until: now + 9000 }), "The project asks us to wait.");
  assert.equal(spoken("computing"), "Working on 2 cores.");
  const elsewhere = { elsewhere: { state: "", reason: { code: "no_jobs", until: now + 9000 } } };
  assert.equal(
    spoken("another_tab", elsewhere),
    "In another tab: No open jobs. When that tab is closed, this one takes over.",
  );
});

test("the advice says what to do, and what has failed", () => {
  assert.equal(advice(status("computing"), words), "");
  const error = { message: "A worker did not start." };
  assert.match(
    advice(status("worker_failed", { error }), words),
    /reload this page\. .* did not start\./,
  );
  assert.match(advice(status("failed", { error }), words), /come back later\. .* did not start\./);
  assert.match(advice(status("setup_failed"), words), /reload this page\.$/);
  const elsewhere = { code: "moved", message: "It has moved.", address: "https://new.example" };
  const moved = advice(status("no_tracker", { error: elsewhere }), words);
  assert.match(moved, /open https:\/\/new\.example instead\. .* It has moved\./);
  const banned = status("no_tracker", { error: { code: "banned", message: "Not from here." } });
  assert.match(advice(banned, words), /write to the project\.$/);
  const keyless = status("no_tracker", { error: { code: "join_key_required", message: "No." } });
  assert.match(advice(keyless, words), /the key is at its end\.$/);
  const forbidden = { code: "origin_forbidden", message: "It lets nobody in." };
  assert.match(
    advice(status("no_tracker", { error: forbidden }), words),
    /run this page\. .* nobody in/,
  );
});

test("only a volunteer that runs has a connection, and is busy", () => {
  assert.equal(connection({ state: "stopped", connection: "online" }, words), "");
  assert.equal(
    connection({ state: "waiting", connection: "unreachable" }, words),
    "cannot be reached",
  );
  assert.equal(connection({ state: "computing", connection: "online" }, words), "good");
  const busy = ["starting", "computing", "waiting", "paused", "stopping"];
  for (const state of busy) assert.ok(isBusy({ state }), state);
  for (const state of ["stopped", "failed", "elsewhere"]) assert.ok(!isBusy({ state }), state);
});

test("the sentence of a core names its state and its job", () => {
  const names = { a: "Render", b: "Check", c: "Frame" };
  const sentence = (state, job = null, stage = null) =>
    coreSentence({ state, job, stage }, names, words);
  assert.equal(sentence("starting"), "Getting ready.");
  assert.equal(sentence("idle"), "Waiting for a job.");
  assert.equal(sentence("working", 12, "a"), "Render: working on job 12.");
  assert.equal(sentence("working", 12, "b"), "Check: working on job 12.");
  assert.equal(sentence("working", 12, "d"), "Working on job 12.");
  assert.equal(sentence("paused", 12, "a"), "Paused in the middle of job 12.");
});

test("the record of a core has its number of jobs and its rate", () => {
  assert.equal(coreRecord({ jobs: 0, jobsPerMinute: 0 }, words), "No jobs done yet");
  assert.equal(coreRecord({ jobs: 1, jobsPerMinute: 2.04 }, words), "1 done, 2.0 per minute");
  assert.equal(coreRecord({ jobs: 99, jobsPerMinute: 212.7 }, words), "99 done, 213 per minute");
});
