// Counting tests in samples of the output of test runners.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  cannotFetchAdvisories,
  judged,
  libtest,
  nodeTest,
  python,
  sum,
  worlds,
} from "../../scripts/counts.mjs";

test("libtest: the counts of all test programs are added up", () => {
  const output = `
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.20s
`;
  assert.deepEqual(libtest(output), { passed: 15, failed: 2, skipped: 1 });
});

test("libtest: the browser runner's line has no `measured`", () => {
  const output =
    "test result: ok. 26 passed; 0 failed; 2 ignored; 0 filtered out; finished in 9.1s\n";
  assert.deepEqual(libtest(output), { passed: 26, failed: 0, skipped: 2 });
});

test("simulation: scenarios, also after messages about failures", () => {
  const output = "seed 7: 3 passed; 1 failed of something\n998 passed; 2 failed\n";
  assert.deepEqual(worlds(output), { passed: 998, failed: 2, skipped: 0 });
});

test("node: spec and tap; cancelled counts as failed and todo as skipped", () => {
  const lines = ["tests 9", "pass 4", "fail 1", "cancelled 1", "skipped 2", "todo 1"];
  const expected = { passed: 4, failed: 2, skipped: 3 };
  assert.deepEqual(nodeTest(lines.map((line) => `ℹ ${line}\n`).join("")), expected);
  assert.deepEqual(nodeTest(lines.map((line) => `# ${line}\n`).join("")), expected);
});

test("node: a file without tests is a failure, although the runner reports it as passed", () => {
  const output = "✔ tests/e2e/empty.test.mjs (40.1ms)\n✔ paints (12ms)\nℹ pass 2\nℹ fail 0\n";
  assert.deepEqual(nodeTest(output), { passed: 1, failed: 1, skipped: 0 });
});

test("python: unittest", () => {
  const ok = "Ran 7 tests in 0.1s\n\nOK (skipped=2)\n";
  assert.deepEqual(python(ok), { passed: 5, failed: 0, skipped: 2 });
  assert.deepEqual(python("Ran 1 test in 0.1s\n\nOK\n"), { passed: 1, failed: 0, skipped: 0 });
  const bad = "Ran 9 tests in 3.2s\n\nFAILED (failures=1, errors=2, skipped=1)\n";
  assert.deepEqual(python(bad), { passed: 5, failed: 3, skipped: 1 });
  const expected = "Ran 3 tests in 0.1s\n\nOK (expected failures=1)\n";
  assert.deepEqual(python(expected), { passed: 3, failed: 0, skipped: 0 });
  const surprise = "Ran 3 tests in 0.1s\n\nFAILED (unexpected successes=1)\n";
  assert.deepEqual(python(surprise), { passed: 2, failed: 1, skipped: 0 });
});

test("python: pytest", () => {
  const output = "===== 2 failed, 10 passed, 1 skipped, 1 error in 4.21s =====\n";
  assert.deepEqual(python(output), { passed: 10, failed: 3, skipped: 1 });
  assert.deepEqual(python("===== 4 passed in 0.1s =====\n"), { passed: 4, failed: 0, skipped: 0 });
  const long = "===== 4 passed in 83.10s (0:01:23) =====\n";
  assert.deepEqual(python(long), { passed: 4, failed: 0, skipped: 0 });
});

test("a failed runner without reported failures, and one without tests, count as one failure", () => {
  const none = { passed: 0, failed: 0, skipped: 0 };
  const good = { passed: 3, failed: 0, skipped: 0 };
  const bad = { passed: 3, failed: 2, skipped: 0 };
  assert.deepEqual(judged(libtest("error: could not compile"), 101), { ...none, failed: 1 });
  assert.deepEqual(judged(none, 0), { ...none, failed: 1 });
  assert.deepEqual(judged({ ...none, skipped: 4 }, 0), { passed: 0, failed: 1, skipped: 4 });
  assert.deepEqual(judged(good, 1), { ...good, failed: 1 });
  assert.deepEqual(judged(good, 0), good);
  assert.deepEqual(judged(bad, 1), bad);
});

test("counts are added up", () => {
  const one = { passed: 1, failed: 2, skipped: 3, output: "text" };
  assert.deepEqual(sum([one, one]), { passed: 2, failed: 4, skipped: 6 });
});

test("cargo-deny: a database that cannot be fetched differs from an advisory", () => {
  const away =
    "[ERROR] failed to fetch advisory database https://github.com/RustSec/advisory-db with cli: failed to clone";
  assert.equal(cannotFetchAdvisories(away), true);
  assert.equal(cannotFetchAdvisories("error[vulnerability]: a crate\nadvisories FAILED\n"), false);
  assert.equal(cannotFetchAdvisories(""), false);
});
