// Running programs and stopping servers. The programs are Node scripts, so that the tests run everywhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { failureText, lastLines, withoutNoise } from "../../scripts/failure.mjs";
import { must, run, serve } from "../../scripts/process.mjs";

const node = process.execPath;
const processModule = new URL("../../scripts/process.mjs", import.meta.url).href;

/** A server that prints a ready line, and on SIGTERM prints another and exits after a moment. */
const server = `
  process.on("SIGTERM", () => { console.log("asked"); setTimeout(() => process.exit(0), 200); });
  setInterval(() => {}, 1000);
  console.log("listening on somewhere");`;

const isReady = (line) => line.startsWith("listening") && line;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("run: returns the exit code and the output, also line by line", async () => {
  const lines = [];
  const script = 'console.log("out"); console.error("err"); process.exit(3)';
  const result = await run(node, ["--eval", script], { onLine: (...line) => lines.push(line) });
  assert.equal(result.code, 3);
  assert.equal(result.stdout, "out\n");
  assert.equal(result.stderr, "err\n");
  assert.deepEqual(lines.sort(), [
    ["err", "stderr"],
    ["out", "stdout"],
  ]);
});

test("run: a missing program is reported, and a hanging one is ended", async () => {
  await assert.rejects(run("no-such-program", []), /no-such-program cannot be started/);
  const hanging = await run(node, ["--eval", "setInterval(() => {}, 1000)"], { timeoutMs: 300 });
  assert.notEqual(hanging.code, 0);
  assert.match(hanging.output, /took longer than/);
});

test("must: a failure contains the command, the reason, the remedy and the output", async () => {
  const script = 'console.log("the reason it gives"); process.exit(2)';
  const failing = must(node, ["--eval", script], { why: "It is needed.", remedy: "mend it" });
  const error = await failing.catch((caught) => caught);
  for (const part of [
    "exit code 2",
    "It is needed.",
    "What to do: mend it",
    "the reason it gives",
  ]) {
    assert.ok(failureText(error).includes(part), failureText(error));
  }
});

test("serve: resolves at the ready line; stop sends one SIGTERM and waits for the exit", async () => {
  const lines = [];
  const { found, stop } = await serve(node, ["--eval", server], {
    ready: isReady,
    onLine: (line) => lines.push(line),
  });
  assert.equal(found, "listening on somewhere");
  assert.equal(await stop(), 0);
  assert.deepEqual(lines, ["asked"]);
  assert.equal(await stop(), 0);
});

test("serve: a server that exits immediately is reported with its output", async () => {
  const script = 'console.error("the database is locked"); process.exit(1)';
  const failing = serve(node, ["--eval", script], { ready: isReady, remedy: "end the other" });
  const error = await failing.catch((caught) => caught);
  assert.match(failureText(error), /database is locked[^]*exit code 1[^]*end the other/);
});

test("serve: the server ends together with the script that started it", async () => {
  const program = `
    import { endOnSignals, serve } from ${JSON.stringify(processModule)};
    endOnSignals();
    const script = "console.log('listening ' + process.pid); setInterval(() => {}, 1000)";
    const ready = (line) => line.split(" ")[1];
    const { found } = await serve(process.execPath, ["--eval", script], { ready });
    console.log("listening", found, process.pid);`;
  const args = ["--input-type=module", "--eval", program];
  const outer = await serve(node, args, { ready: (line) => line.split(" ").slice(1).map(Number) });
  const [inner] = outer.found;
  assert.ok(isAlive(inner));
  assert.notEqual(await outer.stop(), 0);
  for (let i = 0; i < 100 && isAlive(inner); i++) await sleep(50);
  assert.equal(isAlive(inner), false);
});

test("long output is reduced to its end, without Cargo's progress lines", () => {
  assert.equal(lastLines("a\nb\nc\n", 2), "… (1 more lines)\nb\nc");
  assert.equal(lastLines("a\nb\n", 2), "a\nb");
  const output = "   Compiling serde v1.0.0\nerror: no such thing\n    Checking x v0.1.0";
  assert.equal(withoutNoise(output), "error: no such thing");
});
