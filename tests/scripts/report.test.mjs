// Reports: their counts, messages and exit codes. Each runs in its own process, because a report sets the exit
// code.

import assert from "node:assert/strict";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "node:test";

import { chosen } from "../../scripts/report.mjs";
import { run } from "../../scripts/process.mjs";

const module = pathToFileURL(fileURLToPath(new URL("../../scripts/report.mjs", import.meta.url)));

/** Runs a report with steps that are given as source text. */
async function reported(steps) {
  const source = `
    import { report } from ${JSON.stringify(module.href)};
    const good = async () => ({ passed: 2, failed: 0, skipped: 1 });
    const bad = async () => ({ passed: 1, failed: 1, skipped: 0, output: "what went wrong" });
    const crash = async () => { throw new Error("it crashed"); };
    const there = async () => "value";
    const missing = async () => { throw new Error("the tool is missing"); };
    await report({ command: "npm test --", steps: [${steps.join(",")}] });`;
  const { code, stdout } = await run(process.execPath, ["--input-type=module", "--eval", source]);
  return { code, stdout, last: stdout.trimEnd().split("\n").at(-1) };
}

test("success: the last line is the total, and the exit code is 0", async () => {
  const { code, last } = await reported([
    `{ name: "a", what: "first", needs: [], run: good }`,
    `{ name: "b", what: "second", needs: [there], run: (of) => good(of(there)) }`,
  ]);
  assert.equal(last, "4 passed, 0 failed, 2 skipped");
  assert.equal(code, 0);
});

test("a failure does not stop the next step, and is listed with the command to repeat it", async () => {
  const { code, last, stdout } = await reported([
    `{ name: "a", what: "first", needs: [], run: bad }`,
    `{ name: "b", what: "second", needs: [], run: crash }`,
    `{ name: "c", what: "third", needs: [], run: good }`,
  ]);
  assert.equal(last, "3 passed, 2 failed, 1 skipped");
  assert.equal(code, 1);
  assert.ok(stdout.includes("what went wrong"));
  assert.ok(stdout.includes("it crashed"));
  assert.ok(stdout.includes("npm test -- a\n"));
  assert.ok(stdout.includes("npm test -- b\n"));
  assert.ok(!stdout.includes("npm test -- c\n"));
});

test("a missing tool fails exactly the steps that need it", async () => {
  const { code, last, stdout } = await reported([
    `{ name: "a", what: "first", needs: [missing], run: good }`,
    `{ name: "b", what: "second", needs: [there, missing], run: good }`,
    `{ name: "c", what: "third", needs: [there], run: good }`,
  ]);
  assert.equal(last, "2 passed, 2 failed, 1 skipped");
  assert.equal(code, 1);
  // The missing tool is reported before the first step starts.
  assert.ok(stdout.indexOf("the tool is missing") < stdout.indexOf("== a"));
});

test("steps are selected by their name or by its first part", () => {
  const steps = ["check:clippy", "check:clippy-wasm", "wasm:chromium"].map((name) => ({ name }));
  const names = (words) => chosen(steps, words).map(({ name }) => name);
  assert.equal(names([]).length, 3);
  assert.deepEqual(names(["wasm"]), ["wasm:chromium"]);
  assert.deepEqual(names(["check:clippy"]), ["check:clippy"]);
  assert.deepEqual(names(["check"]), ["check:clippy", "check:clippy-wasm"]);
  assert.throws(() => names(["wasm", "nothing"]), /no step called nothing[^]*wasm:chromium/);
});
