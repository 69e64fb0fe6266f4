// The lock that keeps the screen on, where the browser answers late or never.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Awake } from "../../www/awake.js";

/** A document and a browser whose answers the test gives. */
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

test("a wake lock that never comes is asked for once", async () => {
  const { answers, seen } = world();
  const awake = new Awake();
  awake.want(true);
  for (let look = 0; look < 5; look += 1) seen.look();
  await settled();
  assert.equal(answers.length, 1);
});

test("a wake lock that comes when it is wanted no more is let go of", async () => {
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

test("a page that is looked at again has the lock again", async () => {
  const { answers, seen } = world();
  const awake = new Awake();
  awake.want(true);
  answers[0](lock());
  await settled();
  seen.look();
  assert.equal(answers.length, 2);
});
