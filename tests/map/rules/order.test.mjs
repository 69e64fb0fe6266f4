// The order in which `distcompute map` writes outputs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Numbers, Order, nextAfter } from "../../../packages/distcompute/src/map/order.js";

test("outputs leave in the order of their numbers, each once", () => {
  const order = new Order();
  order.done(2, "two");
  assert.deepEqual(order.take(), { texts: [], missing: [] });
  order.done(1, "one");
  order.done(1, "again");
  assert.deepEqual(order.take(), { texts: ["one", "two"], missing: [] });
  order.done(2, "again");
  order.done(3, "three");
  assert.deepEqual(order.take().texts, ["three"]);
  assert.equal(order.next, 4);
});

test("failed jobs are skipped", () => {
  const order = new Order();
  order.done(3, "three");
  assert.equal(order.failed(2), true);
  assert.equal(order.failed(2), false);
  order.done(1, "one");
  assert.deepEqual(order.take().texts, ["one", "three"]);
  assert.equal(order.failed(1), false);
});

test("texts beyond the limit are not kept, and asked for again in their turn", () => {
  const order = new Order({ mostBytes: 10 });
  for (const number of [4, 3, 2]) order.done(number, `${number}`.repeat(5));
  assert.deepEqual(order.take(), { texts: [], missing: [] });
  order.done(1, "1".repeat(100));
  const { texts, missing } = order.take();
  assert.deepEqual([texts, missing], [["1".repeat(100)], [2]]);
  order.again(2, "22222");
  order.again(5, "unknown");
  assert.deepEqual(order.take().texts, ["22222", "33333", "44444"]);
  assert.deepEqual(order.take(), { texts: [], missing: [] });
});

test("at most 100 missing texts are asked for at once", () => {
  const order = new Order({ mostBytes: 0 });
  for (let number = 250; number >= 1; number -= 1) order.done(number, "x");
  let written = 0;
  const sizes = [];
  for (;;) {
    const { texts, missing } = order.take();
    written += texts.length;
    if (missing.length === 0) break;
    sizes.push(missing.length);
    // Each is the next one when its predecessor has been written, so all are kept one after another.
    for (const number of missing) {
      order.again(number, "x");
      written += order.take().texts.length;
    }
  }
  assert.deepEqual(sizes, [100, 100, 49]);
  assert.equal(written, 250);
});

test("any order of arrival gives the same outputs", () => {
  // A linear congruential generator, so that a failure can be repeated.
  let state = 1;
  const random = (below) => (state = (state * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 200; round += 1) {
    const count = 1 + random(40);
    const order = new Order({ mostBytes: random(30) });
    const rest = Array.from({ length: count }, (_, index) => index + 1);
    const failed = new Set(rest.filter(() => random(5) === 0));
    const text = (number) => `${number}`.padStart(1 + (number % 7));
    const written = [];
    const write = () => {
      for (;;) {
        const { texts, missing } = order.take();
        written.push(...texts);
        if (missing.length === 0) return;
        for (const number of missing) order.again(number, text(number));
      }
    };
    while (rest.length > 0) {
      const [number] = rest.splice(random(rest.length), 1);
      if (failed.has(number)) order.failed(number);
      else order.done(number, text(number));
      if (random(3) === 0) write();
    }
    write();
    const all = Array.from({ length: count }, (_, index) => index + 1);
    assert.deepEqual(written, all.filter((number) => !failed.has(number)).map(text));
  }
});

test("a continued file of outputs is followed by the first job without a line", () => {
  assert.equal(nextAfter(0, []), 1);
  assert.equal(nextAfter(3, []), 4);
  assert.equal(nextAfter(3, [2]), 5);
  assert.equal(nextAfter(3, [4, 5]), 4);
  assert.equal(nextAfter(3, [1, 2, 5, 7]), 7);
});

test("a set of numbers grows as needed", () => {
  const numbers = new Numbers();
  for (const number of [1, 7, 8, 100_000]) numbers.add(number);
  const found = [1, 2, 7, 8, 9, 99_999, 100_000, 1e9].map((number) => numbers.has(number));
  assert.deepEqual(found, [true, false, true, true, false, false, true, false]);
});
