import assert from "node:assert/strict";
import { test } from "node:test";

import { newCore } from "../../www/core.js";
import {
  coreSentence,
  crewSentence,
  duration,
  pictureSentence,
  withoutCountdown,
} from "../../www/sentence.js";

const now = 1_000_000;
const core = (changes) => ({ ...newCore(), ...changes });
const noJobs = core({ state: "waiting", why: "no_jobs", until: now + 11_200 });
const away = core({ state: "waiting", why: "unreachable", until: now + 7100 });
const working = core({ state: "working", stageName: "Render", number: 12 });
const running = (...cores) => crewSentence({ state: "running", cores }, now);

test("waiting says for what and for how long, counting down", () => {
  assert.equal(running(noJobs), "No open jobs. Asking again in 12 s.");
  assert.equal(running(away), "The tracker cannot be reached. Trying again in 8 s.");
  assert.equal(coreSentence(noJobs, now + 11_000), "No open jobs. Asking again in 1 s.");
  assert.equal(coreSentence(noJobs, now + 12_000), "No open jobs. Asking again now.");
});

test("the page works while one core does, and is away as soon as one cannot hand in", () => {
  assert.equal(running(working, noJobs), "Working on 1 core.");
  assert.equal(running(working, working), "Working on 2 cores.");
  assert.match(running(working, away), /cannot be reached/);
});

test("of several waits the soonest is told", () => {
  const later = { ...noJobs, until: now + 50_000 };
  assert.equal(running(later, noJobs), "No open jobs. Asking again in 12 s.");
});

test("a failed worker is said, and when it comes back", () => {
  const broken = core({ state: "broken", until: now + 3000, note: "out of memory" });
  assert.equal(running(broken), "This core's worker failed. Starting it again in 3 s.");
});

test("every state has a sentence", () => {
  const states = [
    ...["starting", "asking", "working", "sending", "waiting"],
    ...["stopping", "stopped", "broken"],
  ];
  for (const state of states)
    assert.match(coreSentence(core({ state, stageName: "Render" }), now), /^[A-Z].*\.$/);
  for (const state of ["idle", "running", "stopping", "stopped", "finished"]) {
    assert.match(crewSentence({ state, cores: [core({})] }, now), /^[A-Z].*[.!]$/);
  }
});

test("a screen reader hears the matter once, not each second of it", () => {
  assert.equal(withoutCountdown(running(noJobs)), "No open jobs.");
  assert.equal(withoutCountdown(running(away)), "The tracker cannot be reached.");
  assert.equal(withoutCountdown("No open jobs. Asking again now."), "No open jobs.");
  assert.equal(withoutCountdown("Working on 2 cores."), "Working on 2 cores.");
});

test("the picture's sentence tells what grey means only where there is grey", () => {
  const tiles = 160;
  const told = (checked, rendered) => pictureSentence({ tiles, checked, rendered });
  assert.equal(told(0, 0), "None of 160 tiles is painted yet.");
  assert.equal(told(43, 0), "43 of 160 tiles painted and checked.");
  assert.match(told(43, 2), /43 of 160 .* 2 more in grey/);
  assert.equal(told(160, 0), "All 160 tiles painted and checked.");
});

test("times are told roughly", () => {
  assert.equal(duration(9999), "9 s");
  assert.equal(duration(130_000), "2 min 10 s");
  assert.equal(duration(3_725_000), "1 h 2 min");
});
