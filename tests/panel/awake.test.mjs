// The screen wake lock, with a browser that answers late or never.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Awake } from "../../packages/volunteer-panel/src/awake.js";

/** A fake document and a fake browser whose requests the test resolves. */
function world() {
  /** @type {((lock: object) => void)[]} */
  const answers = [];
  const request = () => new Promise((resolve) => answers.push(resolve));
  Object.defineProperty(globalThis, "navigator", {
    value: { wakeLock: { request } },
    configurable: true,
  });
  const seen = { hidden: false, look: () => {} };
  globalThis.document = {
    get hidden() {
      return seen.hidden;
    },
    addEventListener: (_, listener) => (seen.look = listener),
  };
  return { answers, seen };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function lock() {
  const made = { released: 0, release: async () => void (made.released += 1) };
  return made;
}

test("a pending wake lock is requested only once", async () => {
  const { answers, seen } = world();
  const awake = new Awake();
  awake.want(true);
  for (let look = 0; look < 5; look += 1) seen.look();
  await settled();
  assert.equal(answers.length, 1);
});

test("a wake lock that arrives when it is no longer wanted is released", async () => {
  const { answers } = world();
  const awake = new Awake();
  awake.want(true);
  awake.want(false);
  const late = lock();
  answers[0](late);
  await settled();
  assert.ok(late.released >= 1);
  assert.equal(answers.length, 1);
});

test("a page that becomes visible again requests the lock again", async () => {
  const { answers, seen } = world();
  const awake = new Awake();
  awake.want(true);
  answers[0](lock());
  await settled();
  seen.look();
  assert.equal(answers.length, 2);
});
