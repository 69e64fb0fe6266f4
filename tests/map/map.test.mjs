// `distcompute map` as a user runs it: installed from packed tarballs, with browsers that join, killed
// and continued.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { openBrowser } from "../e2e/browser.mjs";
import { status, untilTrue } from "../e2e/sample.mjs";
import { installCommand, linesOf, numbers } from "./command.mjs";

/** @type {Awaited<ReturnType<typeof installCommand>>} */
let command;

before(async () => {
  command = await installCommand();
  put("square.js", "export default (input) => input ** 2;\n");
  put(
    "slow.js",
    `export default async (input, { progress }) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      progress(1, 1);
      return { half: input / 2 };
    };`,
  );
});

after(() => command?.remove());

const put = (name, text) => command.put(name, text);
const start = (args, options) => command.start(["map", ...args], options);
const finished = (args, options) => command.finished(["map", ...args], options);
const inFolder = (name) => join(command.folder, name);

/** The address of a run's tracker, once all inputs are there. */
async function originOf(run, jobs = 3) {
  const url = () => /Volunteers: (\S+)/.exec(run.errors)?.[1];
  await untilTrue(
    async () => url() && (await status(new URL(url()).origin)).jobs >= jobs,
    () => run.errors,
  );
  return new URL(url()).origin;
}

/** Somebody who calls the tracker with other programs than ours. */
async function stranger(origin) {
  const { token } = await (await fetch(`${origin}/api/new?nickname=Eve&stage=a`)).json();
  let seq = 0;
  const sync = async (more) => {
    seq += 1;
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ token, seq, cores: 4, ...more });
    return await (await fetch(`${origin}/api/sync`, { method: "POST", headers, body })).json();
  };
  return { sync };
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

test("a stage hands files to the next one, and inputs have none", async () => {
  put(
    "frames.js",
    `export const stages = {
      a: async (seed, { put }) => ({ noise: await put(new Uint8Array(20_000_000).fill(seed)) }),
      b: async ({ noise }, { file }) => [new Uint8Array(await (await file(noise)).arrayBuffer()).at(-1), noise],
    };`,
  );
  const input = put("seeds.jsonl", linesOf([1, 2]));
  const args = ["frames.js", input, "--listen", "127.0.0.1:0"];
  const { code, output, errors } = await finished(args);
  assert.equal(code, 0, errors);
  const outputs = output.trim().split("\n").map(JSON.parse);
  assert.deepEqual(
    outputs.map(([last]) => last),
    [1, 2],
  );
  const stored = inFolder(join(".distcompute", "frames", "jobs.db-files", "files"));
  for (const [, { $file, bytes }] of outputs) {
    assert.equal(bytes, statSync(join(stored, $file)).size);
  }
  put("seeds.jsonl", linesOf([3, outputs[0][1]]));
  const refused = await finished([...args, "--fresh"]);
  assert.equal(refused.code, 1);
  assert.match(refused.errors, /Line 2 of the inputs has an object with "\$file"/);
  for (const [, { $file }] of outputs) assert.ok(!existsSync(join(stored, $file)));
});

test("browsers join, and a command that is killed twice continues", async (t) => {
  const jobs = 1500;
  const input = put("many.jsonl", linesOf(numbers(jobs)));
  const files = ["slow.js", input, "--output", "halves.jsonl"];
  const args = (local) => [...files, "--local", local, "--listen", "127.0.0.1:0"];
  const browser = await openBrowser(t);
  const written = () => {
    try {
      return readFileSync(inFolder("halves.jsonl"), "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  // The second time this machine takes no part: however long the browsers take to open their pages, the
  // inputs that are left do not run out before they join.
  for (const [least, local] of /** @type {const} */ ([
    [100, "1"],
    [400, "0"],
  ])) {
    const run = start(args(local));
    const url = () => /Volunteers: (\S+)/.exec(run.errors)?.[1];
    await untilTrue(
      () => url() !== undefined,
      () => run.errors,
    );
    const pages = [];
    for (const nickname of ["Ada", "Grace"]) {
      const page = await (await browser.newContext()).newPage();
      await page.goto(url());
      await page.fill("#nickname", nickname);
      pages.push(page);
    }
    for (const page of pages) await page.click("#start:enabled");
    // Those of the run before may still count, too.
    await untilTrue(
      async () => (await status(new URL(url()).origin)).volunteers >= 2 + Number(local),
      () => run.errors,
    );
    // Closed and not written: a line is written when all before it are, and the jobs of a browser that was
    // killed come back after a while.
    await untilTrue(
      async () => (await status(new URL(url()).origin)).closed >= least,
      () => run.errors,
    );
    assert.ok(written() < jobs, "it was done before it was killed");
    const killed = once(run.child, "exit");
    run.child.kill("SIGKILL");
    await killed;
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
  const { code, errors } = await finished(args("2"));
  assert.equal(code, 0, errors);
  const output = readFileSync(inFolder("halves.jsonl"), "utf8");
  assert.equal(output, linesOf(numbers(jobs).map((number) => ({ half: number / 2 }))));
});

test("failed jobs are reported with their place, and the others are done", async () => {
  put(
    "picky.js",
    `export default (input) => {
      console.log("input", input);
      if (input % 10 === 7) throw new RangeError("a seven");
      return input;
    };`,
  );
  const input = put("few.jsonl", linesOf(numbers(300)));
  // As many as would be waited for an hour, if this machine counted as broken.
  const sevens = numbers(300).filter((number) => number % 10 === 7);
  const args = ["picky.js", input, "--errors", "errors.jsonl"];
  const { code, output, errors } = await finished([...args, "--listen", "127.0.0.1:0"]);
  assert.equal(code, 2, errors);
  assert.equal(output, linesOf(numbers(300).filter((number) => !sevens.includes(number))));
  assert.match(errors, /^input 42$/m);
  const failed = readFileSync(inFolder("errors.jsonl"), "utf8").trim().split("\n");
  const records = failed.map((line) => JSON.parse(line));
  const byNumber = records.sort((one, other) => one.number - other.number);
  assert.deepEqual(
    byNumber.map(({ number, stage, input }) => [number, stage, input]),
    sevens.map((number) => [number, "a", number]),
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
  const origin = await originOf(run);
  const eve = await stranger(origin);
  const { jobs } = await eve.sync({ want: 3 });
  const results = ["junk", "<!json!>[1,2]", '<!json!>[{"x":\n3}]'];
  const done = jobs.map(({ lease, number }) => ({ lease, data: results[number - 1] }));
  assert.equal(done.length, 3);
  await eve.sync({ done });
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

test("no function is given what no function of ours returned", async () => {
  put(
    "checked.js",
    `export const stages = {
       a: (input) => input + 1,
       b: (input) => {
         console.log("b was given", typeof input);
         return input * 10;
       },
     };`,
  );
  const input = put("five.jsonl", linesOf(numbers(5)));
  const args = ["checked.js", input, "--listen", "127.0.0.1:0"];
  const run = start([...args, "--local", "0"]);
  const eve = await stranger(await originOf(run, 5));
  const { jobs } = await eve.sync({ want: 4 });
  const results = ["junk", "<!json!>[1,2]", '<!json!>{"0":7}', "<!json!>[]"];
  const done = jobs.map(({ lease }, index) => ({ lease, data: results[index] }));
  assert.equal(done.length, 4);
  await eve.sync({ done });
  run.child.kill("SIGINT");
  assert.equal(await run.code, 130, run.errors);
  const { code, output, errors } = await finished(args);
  assert.deepEqual([code, output], [0, linesOf([20, 30, 40, 50, 60])], errors);
  const given = errors.match(/b was given \w+/g);
  assert.deepEqual(new Set(given), new Set(["b was given number"]));
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

test("a command that is interrupted early leaves nothing behind, and continues", async () => {
  const input = put("early.jsonl", "1\n2\n");
  // The tracker, after a while that begins with a file.
  const program = put(
    "late-tracker.sh",
    '#!/bin/sh\necho $$ > "$LATE_MARK"\nsleep 1\nexec "$LATE_PROGRAM" "$@"\n',
  );
  chmodSync(inFolder(program), 0o755);
  put("loud.js", 'console.log("being loaded");\nexport default (input) => -input;\n');
  const args = ["loud.js", input, "--state", "early", "--listen", "127.0.0.1:0"];
  const more = {
    DISTCOMPUTE_TRACKER_PROGRAM: inFolder(program),
    LATE_MARK: inFolder("mark"),
    LATE_PROGRAM: command.tracker,
  };
  const moments = {
    "while the function is loaded": (run) => run.errors.includes("being loaded"),
    "while the tracker starts": () => existsSync(inFolder("mark")),
  };
  for (const [when, isThere] of Object.entries(moments)) {
    const run = start(args, { more });
    await untilTrue(
      () => isThere(run),
      () => run.errors,
    );
    run.child.kill("SIGINT");
    assert.equal(await run.code, 130, `${when}: ${run.errors}`);
    const text = existsSync(inFolder("mark")) ? readFileSync(inFolder("mark"), "utf8").trim() : "";
    // With that the shell has become the tracker.
    if (text !== "") assert.throws(() => process.kill(Number(text), 0), { code: "ESRCH" }, when);
  }
  const { code, output, errors } = await finished(args);
  assert.deepEqual([code, output], [0, "-1\n-2\n"], errors);
});

test("paths may contain what options, addresses and patterns give a meaning to", async () => {
  const place = "a; #1 (50%) =ü 'x' *";
  mkdirSync(inFolder(place));
  const module = put(join(place, "f n;#?%20.js"), 'export { default } from "./h&lf.js";\n');
  put(join(place, "h&lf.js"), "export default (input) => input / 2;\n");
  const input = put(join(place, "in put.jsonl"), "2\n4\n");
  const output = join(place, "out;put.jsonl");
  const args = [module, input, "--output", output, "--state", join(place, "st=ate")];
  const done = await finished([...args, "--listen", "127.0.0.1:0"]);
  assert.equal(done.code, 0, done.errors);
  assert.equal(readFileSync(inFolder(output), "utf8"), "1\n2\n");
});

test("with --fresh, the tracker of a killed run is ended, and what it had is gone", async () => {
  put("stuck.js", "export default () => new Promise(() => {});\n");
  const input = put("ten.jsonl", linesOf(numbers(10)));
  const args = [input, "--state", "fresh", "--listen", "127.0.0.1:0"];
  const run = start(["stuck.js", ...args]);
  await originOf(run, 10);
  run.child.kill("SIGKILL");
  await run.code;
  const { pid } = JSON.parse(readFileSync(inFolder("fresh/tracker.json"), "utf8"));
  process.kill(pid, 0);
  const { code, output, errors } = await finished(["square.js", ...args, "--fresh"]);
  assert.deepEqual([code, output], [0, linesOf(numbers(10).map((number) => number ** 2))], errors);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});

test("in a network, only those join who have the key of the printed address", async (t) => {
  const input = put("network.jsonl", linesOf(numbers(20)));
  const args = ["square.js", input, "--state", "network", "--local", "0"];
  const run = start([...args, "--listen", "0.0.0.0:0"]);
  const tracker = inFolder("network/tracker.json");
  await untilTrue(
    () => existsSync(tracker) && run.errors.includes("your network"),
    () => run.errors,
  );
  const { url } = JSON.parse(readFileSync(tracker, "utf8"));
  const key = readFileSync(inFolder("network/join-key"), "utf8");
  const inNetwork = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address, family, internal } of inNetwork) {
    if (internal || family !== "IPv4") continue;
    const { port } = new URL(url);
    assert.ok(run.errors.includes(`http://${address}:${port}/volunteer/#key=${key}\n`), run.errors);
  }
  const refused = await fetch(`${url}/api/new?nickname=Eve&stage=a`);
  assert.equal(refused.headers.get("distcompute-error"), "join_key_required");
  const browser = await openBrowser(t);
  const volunteer = async (fragment) => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${url}/volunteer/${fragment}`);
    await page.click("#start:enabled");
    return page;
  };
  const without = await volunteer(`#key=${key.slice(1)}`);
  await without.getByText("takes only volunteers who have its join key").first().waitFor();
  assert.equal((await status(url)).stages[0].done, 0);
  await volunteer(`#key=${key}`);
  assert.equal(await run.code, 0, run.errors);
  assert.equal(run.output, linesOf(numbers(20).map((number) => number ** 2)));
});

test("a tracker that exists is used, also when it is restarted in between", async (t) => {
  const token = put("given-token", "a token of some length");
  mkdirSync(inFolder("given"));
  let port = 0;
  const serve = async () => {
    const args = ["serve", "--listen", `127.0.0.1:${port}`, "--database", "sqlite:given/jobs.db"];
    const child = spawn(command.tracker, [...args, "--admin-token-file", token, "--log", "off"], {
      cwd: command.folder,
      stdio: ["ignore", "pipe", "ignore"],
    });
    t.after(() => child.kill("SIGKILL"));
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    port = Number(new URL(line.split(" ").at(-1)).port);
    return child;
  };
  const first = await serve();
  const url = `http://127.0.0.1:${port}`;
  const input = put("given.jsonl", linesOf(numbers(200)));
  const args = ["--tracker", url, "--admin-token-file", token];
  const run = start(["slow.js", input, ...args, "--state", "given-run"]);
  await untilTrue(
    () => run.output.split("\n").length > 20,
    () => run.errors,
  );
  first.kill("SIGKILL");
  await once(first, "exit");
  await serve();
  assert.equal(await run.code, 0, run.errors);
  assert.equal(run.output, linesOf(numbers(200).map((number) => ({ half: number / 2 }))));
  assert.match(run.errors, /the tracker has to serve the page/);

  const refused = async (args, expected) => {
    const { code, errors } = await finished(args);
    assert.equal(code, 1, errors);
    assert.match(errors, expected);
  };
  const other = ["--state", "other"];
  await refused(["square.js", input, ...args, ...other], /has 200 jobs, of which other contains 0/);
  await refused(["square.js", input, ...args, "--fresh"], /--fresh does not go with --tracker/);
  await refused(["square.js", input, "--tracker", url], /needs the tracker's admin token/);
  const remote = ["--tracker", "http://192.0.2.1", "--admin-token-file", token];
  await refused(["square.js", input, ...remote], /must begin with https/);
  put("two.js", "export const stages = { a: (x) => x, b: (x) => x };\n");
  await refused(["two.js", input, ...args], /Start the tracker with --stage a=A --stage b=B/);
});

test("files that a function names by their address are found here and by browsers", async (t) => {
  mkdirSync(inFolder("with data"));
  put("with data/factor.json", '{ "factor": 3 }');
  const module = put(
    "with data/times.js",
    `export async function setup() {
       const answer = await fetch(new URL("./factor.json", import.meta.url));
       return (await answer.json()).factor;
     }
     export default (input, { setup: factor }) => input * factor;`,
  );
  const input = put("times.jsonl", linesOf(numbers(20)));
  const args = [module, input, "--listen", "127.0.0.1:0"];
  const here = await finished([...args, "--state", "times-here", "--local", "1"]);
  const expected = linesOf(numbers(20).map((number) => number * 3));
  assert.deepEqual([here.code, here.output], [0, expected], here.errors);

  const run = start([...args, "--state", "times-there", "--local", "0"]);
  const origin = await originOf(run, 20);
  const page = await (await openBrowser(t)).newPage();
  await page.goto(`${origin}/volunteer/`);
  await page.click("#start:enabled");
  assert.equal(await run.code, 0, run.errors);
  assert.equal(run.output, expected);
});
