// The benchmark of slow and lossy connections: which runs are complete, what is measured in parallel, what a
// resumed run reuses, and the evaluation of its goals.

import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { openKept } from "../../bench/kept.mjs";
import {
  cells,
  isQuiet,
  longestFirst,
  merged,
  nameOf,
  shareOnWire,
  sideBySide,
  without,
} from "../../bench/lines-plan.mjs";
import { goals, howText, overview } from "../../bench/lines-report.mjs";
import { readArguments } from "../../bench/lines.mjs";
import { capacity, expectedRate, jobsFor } from "../lines/cell.mjs";

test("only a complete run is published, whether it was interrupted or not", () => {
  const whole = readArguments(["--seconds", "30", "--resume", "--together", "4"]);
  assert.deepEqual([whole.everything, whole.resume, whole.together], [true, true, 4]);
  assert.equal(cells(whole).length, 160);
  assert.equal(new Set(cells(whole).map(nameOf)).size, 160);
  const part = readArguments(["--parts", "together"]);
  assert.deepEqual([part.everything, part.resume, part.parts], [false, false, ["together"]]);
  assert.equal(readArguments(["--kb", "25"]).everything, false);
  const [one] = cells(whole);
  assert.equal(without(readArguments([]), [one, one]).length, 159);
  assert.throws(() => readArguments(["--parts", "half"]), /Invalid option/);
  assert.throws(() => readArguments(["resume"]), /Invalid option/);
});

test("a run of some cells can be added to the published figures", () => {
  const whole = readArguments([]);
  const [first, second, third] = cells(whole).map((cell) => ({ ...cell, share_of_line: 0.5 }));
  const better = { ...second, share_of_line: 0.9, measured: "2027-01-02" };
  const dated = [third, first, second].map((one) => ({ ...one, measured: "2027-01-01" }));
  const figures = merged(whole, dated, [better]);
  assert.deepEqual(
    figures.map((one) => one.share_of_line),
    [0.5, 0.9, 0.5],
  );
  assert.deepEqual(figures.map(nameOf), [first, second, third].map(nameOf));
  const how = howText({ figures, missing: [], seconds: 20, seed: 1 }).join("\n");
  assert.match(how, /several days: 2 on 2027-01-01, 1 on 2027-01-02\./);
  assert.equal(readArguments(["--parts", "alone", "--add"]).add, true);
});

const line = (kb, mbit, loss = 0) => ({ direction: "down", kb, mbit, delay_ms: 50, loss });

test("cells that use little processor time are measured in parallel", () => {
  const quiet = [line(1, 0.25), line(25, 4), line(3_000, 1), line(200, 100, 0.01)];
  const busy = [line(1, 4), line(25, 20), line(3_000, 100), line(1, 100, 0.01)];
  assert.deepEqual(quiet.filter(isQuiet), quiet);
  assert.deepEqual(busy.filter(isQuiet), []);
});

test("losses limit the rate of a connection at any bandwidth", () => {
  assert.equal(expectedRate(line(1, 4)), capacity(line(1, 4)));
  const [slow, quick] = [expectedRate(line(1, 20, 0.01)), expectedRate(line(1, 1_000, 0.01))];
  assert.ok(slow < quick && quick < 250_000, `${slow} ${quick}`);
  assert.equal(jobsFor({ kb: 25 }, { rate: 500_000, seconds: 20 }), 400);
  assert.equal(jobsFor({ kb: 3_000 }, { rate: 31_250, seconds: 20 }), 3);
});

test("the number of parallel measurements is limited, and the longest start first", async () => {
  let running = 0;
  let most = 0;
  const done = [];
  await sideBySide([1, 2, 3, 4, 5], 2, async (one) => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    done.push(one);
  });
  assert.deepEqual([most, done.length], [2, 5]);
  const order = longestFirst([line(1, 4), line(3_000, 4), line(3_000, 0.25)]);
  assert.deepEqual(order, [line(3_000, 0.25), line(3_000, 4), line(1, 4)]);
});

test("a resumed run reuses only the figures of the same code", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-kept-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "new", "kept.jsonl");
  let made = 0;
  const make = async () => ++made;
  const open = (from, resume) => openKept({ file, from, resume });

  const first = open("a", true);
  assert.deepEqual(await Promise.all([first.of("x", make), first.of("x", make)]), [1, 1]);
  await assert.rejects(
    first.of("y", () => Promise.reject(new Error("broken"))),
    /broken/,
  );
  // The run is interrupted while it is writing.
  appendFileSync(file, '["z",');

  const second = open("a", true);
  assert.deepEqual([second.has("x"), second.has("y"), second.has("z")], [true, false, false]);
  assert.deepEqual([await second.of("x", make), await second.of("y", make)], [1, 2]);
  assert.deepEqual([open("a", true).has("y"), open("b", true).has("y")], [true, false]);
  assert.equal(open("b", false).has("x"), false);
});

const figure = (share_of_line, { mbit = 4, direction = "down", side_by_side = 6 } = {}) => ({
  ...{ ...line(25, mbit), direction, share_of_line, five_calls: 0.1, jobs: 9, done: 9, granted: 9 },
  ...{ wire: 0.76, plain_kb_s: 500, bound_kb_s: 500, side_by_side, load: 0.5 },
});

test("the share counts what goes over the line, unless the line is not what bounds", () => {
  const up = { ...line(1, 4), direction: "up" };
  const bytes = { rate: 400, wire: 1.25, plain: 500 };
  assert.equal(shareOnWire(up, bytes), 1);
  assert.equal(shareOnWire(up, { ...bytes, unshaped: 450 }), 1);
  assert.equal(shareOnWire(up, { ...bytes, unshaped: 800 }), 1);
  assert.equal(shareOnWire(up, { ...bytes, plain: 5_000, unshaped: 800 }), 0.5);
  // Down, answers are compressed to three quarters, which the bounds count in.
  const down = { ...line(1, 4), direction: "down" };
  assert.equal(shareOnWire(down, { rate: 400, wire: 0.75, plain: 500 }), 0.8);
});

test("the goals are evaluated with the worst cell of each direction", () => {
  const figures = [
    ...[figure(0.9), figure(0.79), figure(0.85, { direction: "up" })],
    figure(null, { direction: "up" }),
  ];
  const judged = goals(figures).map(({ value, met }) => [value, met]);
  assert.deepEqual(judged, [
    [0.79, false],
    [0.85, true],
  ]);
  const [head, , row] = overview([...figures, figure(1.2, { mbit: 20 })], "down");
  assert.match(head, /4 Mbit\/s \| 20 Mbit\/s/);
  assert.match(row, /25 kB .* 0\.79 \| +1\.2 \|/);
});

test("the report states what was measured in parallel, and what was not measured", () => {
  const figures = [figure(1), figure(1, { side_by_side: 1 })];
  const missing = [line(25, 20), line(25, 20, 0.01), line(3_000, 20)];
  const how = howText({ figures, missing, seconds: 20, seed: 7 }).join("\n");
  assert.match(how, /1 cells whose line .* measured 6 side by side/);
  assert.match(how, /1 cells were measured one at a time; 0\.5 processes/);
  assert.match(how, /seed 7/);
  assert.match(
    how,
    /Not measured: 3 cells\. 20 Mbit\/s with a loss of 0 %: down 25 kB, down 3,000 kB; 20/,
  );
});
