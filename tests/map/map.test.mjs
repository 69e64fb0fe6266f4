// `distcompute map` as a user runs it: installed from packed tarballs, with browsers that join, killed
// and continued.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { buildPackage, buildTracker } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { npm } from "../bundlers/project.mjs";
import { openBrowser } from "../e2e/browser.mjs";
import { status, untilTrue } from "../e2e/sample.mjs";

let folder;
let env;

before(async () => {
  const { "distcompute-tracker": program } = await buildTracker();
  env = { ...process.env, DISTCOMPUTE_TRACKER_PROGRAM: program };
  folder = mkdtempSync(join(tmpdir(), "distcompute-map-"));
  await installCommand(folder, await buildPackage());
  writeFileSync(join(folder, "square.js"), "export default (input) => input ** 2;\n");
  put(
    "slow.js",
    `export default async (input, { progress }) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      progress(1, 1);
      return { half: input / 2 };
    };`,
  );
});

after(() => rmSync(folder, { recursive: true, force: true }));

const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);
const linesOf = (values) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

function put(name, text) {
  writeFileSync(join(folder, name), text);
  return name;
}

/** Starts the command. `input` is the path of a file for standard input. */
function start(args, { input } = {}) {
  const program = join(folder, "node_modules", ".bin", "distcompute");
  // A command that hangs must not hold up the tests.
  const limits = { timeout: 180_000, killSignal: /** @type {const} */ ("SIGKILL") };
  const child = spawn(program, ["map", ...args], { cwd: folder, env, ...limits });
  if (input === undefined) child.stdin.end();
  else createReadStream(join(folder, input)).pipe(child.stdin);
  // The reader of a command that was killed is gone.
  child.stdin.on("error", () => {});
  const run = { child, output: "", errors: "" };
  child.stdout.on("data", (data) => (run.output += data));
  child.stderr.on("data", (data) => (run.errors += data));
  const code = new Promise((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal)),
  );
  return Object.assign(run, { code });
}

async function finished(args, options) {
  const run = start(args, options);
  return { code: await run.code, output: run.output, errors: run.errors };
}

test("inputs are mapped in a pipe by this machine", async () => {
  const input = put("thousand.jsonl", linesOf(numbers(1000)));
  const { code, output, errors } = await finished(["square.js", "--listen", "127.0.0.1:0"], {
    input,
  });
  assert.equal(code, 0, errors);
  assert.equal(output, linesOf(numbers(1000).map((number) => number ** 2)));
  assert.match(errors, /Volunteers: http:\/\/127\.0\.0\.1:\d+\/volunteer\//);

  // The same command again has nothing left to compute, and writes the same.
  const again = await finished(["square.js", "--local", "0"], { input });
  assert.deepEqual([again.code, again.output], [0, output], again.errors);
});

test("browsers join, and a command that is killed twice continues", async (t) => {
  const jobs = 1500;
  const input = put("many.jsonl", linesOf(numbers(jobs)));
  const args = [
    "slow.js",
    input,
    "--local",
    "1",
    "--output",
    "halves.jsonl",
    "--listen",
    "127.0.0.1:0",
  ];
  const browser = await openBrowser(t);
  const written = () => {
    try {
      return readFileSync(join(folder, "halves.jsonl"), "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  for (const least of [100, 400]) {
    const run = start(args);
    const url = () => /Volunteers: (\S+)/.exec(run.errors)?.[1];
    await untilTrue(
      () => url() !== undefined,
      () => run.errors,
    );
    for (const nickname of ["Ada", "Grace"]) {
      const page = await (await browser.newContext()).newPage();
      await page.goto(url());
      await page.fill("#nickname", nickname);
      await page.click("#start:enabled");
    }
    // This machine, Ada and Grace; those of the run before may still count, too.
    await untilTrue(
      async () => (await status(new URL(url()).origin)).volunteers >= 3,
      () => run.errors,
    );
    await untilTrue(
      () => written() >= least,
      () => `${written()} of ${least}\n${run.errors}`,
    );
    assert.ok(written() < jobs, "it was done before it was killed");
    const killed = once(run.child, "exit");
    run.child.kill("SIGKILL");
    await killed;
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
  const { code, errors } = await finished(args);
  assert.equal(code, 0, errors);
  const output = readFileSync(join(folder, "halves.jsonl"), "utf8");
  assert.equal(output, linesOf(numbers(jobs).map((number) => ({ half: number / 2 }))));
});

test("failed jobs are reported with their place, and the others are done", async () => {
  put(
    "picky.js",
    `export default (input) => {
      console.log("input", input);
      if (input % 100 === 7) throw new RangeError("a seven");
      return input;
    };`,
  );
  const input = put("few.jsonl", linesOf(numbers(300)));
  const args = ["picky.js", input, "--attempts", "2", "--errors", "errors.jsonl"];
  const { code, output, errors } = await finished([...args, "--listen", "127.0.0.1:0"]);
  assert.equal(code, 2, errors);
  assert.equal(output, linesOf(numbers(300).filter((number) => number % 100 !== 7)));
  assert.match(errors, /^input 42$/m);
  const failed = readFileSync(join(folder, "errors.jsonl"), "utf8").trim().split("\n");
  const records = failed.map((line) => JSON.parse(line));
  const byNumber = records.sort((one, other) => one.number - other.number);
  assert.deepEqual(
    byNumber.map(({ number, stage, input }) => [number, stage, input]),
    [7, 107, 207].map((number) => [number, "a", number]),
  );
  for (const { error } of records) assert.match(error, /^RangeError: a seven\n.*picky\.js:3/s);
});

test("a pipeline of stages writes the outputs of its last stage", async () => {
  put(
    "pipeline.js",
    `export const setup = () => 10;
     export const stages = {
       a: (input, { setup }) => input + setup,
       b: async (input) => [input, input * 2],
       c: ([one, two]) => one + two,
     };`,
  );
  const input = put("some.txt", linesOf([1, 2, 3]));
  const args = ["pipeline.js", input, "--unordered", "--listen", "127.0.0.1:0"];
  const { code, output, errors } = await finished(args);
  assert.equal(code, 0, errors);
  const lines = output.trim().split("\n").sort();
  assert.deepEqual(
    lines,
    [33, 36, 39].map((output, at) => `{"number":${at + 1},"output":${output}}`),
  );
});

test("results that are no outputs of the function are computed again", async () => {
  const input = put("three.jsonl", "1\n2\n3\n");
  const args = ["square.js", input, "--state", "strange", "--listen", "127.0.0.1:0"];
  const run = start([...args, "--local", "0"]);
  const url = () => /Volunteers: (\S+)/.exec(run.errors)?.[1];
  await untilTrue(
    async () => url() && (await status(new URL(url()).origin)).jobs === 3,
    () => run.errors,
  );
  const { origin } = new URL(url());
  const { token } = await (await fetch(`${origin}/api/new?nickname=Eve&stage=a`)).json();
  const sync = async (more) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ token, cores: 3, ...more });
    return await (await fetch(`${origin}/api/sync`, { method: "POST", headers, body })).json();
  };
  const { jobs } = await sync({ seq: 1, want: 3 });
  const results = ["junk", "<!json!>[1,2]", '<!json!>[{"x":\n3}]'];
  const done = jobs.map(({ lease, number }) => ({ lease, data: results[number - 1] }));
  assert.equal(done.length, 3);
  await sync({ seq: 2, done });
  await untilTrue(
    async () => (await status(origin)).stages[0].open === 2,
    () => run.errors,
  );
  run.child.kill("SIGINT");
  assert.equal(await run.code, 130, run.errors);
  assert.equal(run.output, "");
  const { code, output, errors } = await finished(args);
  assert.deepEqual([code, output], [0, '1\n4\n{"x":3}\n'], errors);
});

test("a reader that has enough ends the command", async () => {
  const input = put("lots.jsonl", linesOf(numbers(5000)));
  const run = start(["square.js", input, "--state", "head", "--listen", "127.0.0.1:0"]);
  await once(run.child.stdout, "data");
  run.child.stdout.destroy();
  assert.equal(await run.code, 141, run.errors);
});

test("Ctrl-C finishes the running jobs and keeps everything", async () => {
  const input = put("again.jsonl", linesOf(numbers(200)));
  const args = ["slow.js", input, "--local", "1", "--state", "stopped", "--listen", "127.0.0.1:0"];
  const run = start(args);
  await untilTrue(
    () => run.output.split("\n").length > 20,
    () => run.errors,
  );
  run.child.kill("SIGINT");
  assert.equal(await run.code, 130, run.errors);
  assert.match(run.errors, /Finishing the running jobs/);
  const count = run.output.split("\n").length - 1;
  assert.ok(count < 200, "it was not stopped");
  const { code, output } = await finished(args);
  assert.equal(code, 0);
  assert.ok(output.startsWith(run.output), "the outputs from the start, each once");
  assert.equal(output, linesOf(numbers(200).map((number) => ({ half: number / 2 }))));
});

test("faults are named before any volunteer sees them", async () => {
  const input = put("one.jsonl", "1\n");
  const refused = async (args, expected) => {
    const { code, output, errors } = await finished([...args, "--local", "0"]);
    assert.deepEqual([code, output], [1, ""], errors);
    assert.match(errors, expected);
  };
  put("syntax.js", "export default (input) =>\n  input input;\n");
  await refused(["syntax.js", input], /syntax\.js:2:9: Expected/);
  put("import.js", 'import x from "not-there";\nexport default x;\n');
  await refused(["import.js", input], /import\.js:1:15: Could not resolve "not-there"/);
  put("throws.js", 'export default 1;\nthrow new Error("at the top");\n');
  await refused(["throws.js", input], /throws\.js cannot be loaded: .*at the top/);
  put("nothing.js", "export const value = 1;\n");
  await refused(["nothing.js", input], /exports no function/);
  put("gap.js", "export const stages = { a: () => 1, c: () => 2 };\n");
  await refused(["gap.js", input], /named a, b, … without a gap.*contains: a, c/s);
  await refused(["missing.js", input], /There is no file missing\.js/);
  await refused(["square.js", "missing.jsonl"], /There is no file missing\.jsonl/);
  put("wrong.jsonl", "1\n{x}\n");
  await refused(
    ["square.js", "wrong.jsonl", "--state", "wrong"],
    /Line 2 of the inputs is not JSON/,
  );
});

test("a run continues only with the same function and the same inputs", async () => {
  const input = put("first.jsonl", "1\n2\n3\n");
  const args = ["--state", "same", "--listen", "127.0.0.1:0"];
  assert.equal((await finished(["square.js", input, ...args])).code, 0);
  const refused = async (module, text, expected) => {
    const { code, output, errors } = await finished([module, put("other.jsonl", text), ...args]);
    assert.equal(code, 1, errors);
    assert.match(errors, expected);
    return output;
  };
  await refused("square.js", "1\n5\n3\n", /Line 2 of the inputs is not the one/);
  await refused("square.js", "1\n2\n", /Line 3 of the inputs is not the one/);
  put("cube.js", "export default (input) => input ** 3;\n");
  await refused("cube.js", "1\n2\n3\n", /outputs of another function/);
  const longer = await finished(["square.js", put("longer.jsonl", "1\n2\n3\n4\n"), ...args]);
  assert.deepEqual([longer.code, longer.output], [0, "1\n4\n9\n16\n"], longer.errors);
  const fresh = await finished(["cube.js", input, "--fresh", ...args]);
  assert.deepEqual([fresh.code, fresh.output], [0, "1\n8\n27\n"], fresh.errors);
});

/** Installs the command and the client from packed tarballs. */
async function installCommand(folder, packageDir) {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const packages = [packageDir, join(root, "packages", "distcompute")];
  for (const one of packages) await npm(["pack", one], folder);
  const tarballs = ["distcompute-client-0.1.0.tgz", "distcompute-0.1.0.tgz"];
  await npm(
    [
      "install",
      "--prefer-offline",
      "--no-audit",
      "--no-fund",
      ...tarballs.map((name) => `./${name}`),
    ],
    folder,
  );
}
