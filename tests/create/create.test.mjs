// Projects as `npm create distcompute` makes them: each template installed from packed tarballs, tested, started
// and worked on by a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { root, toolEnv, which } from "../../scripts/places.mjs";
import { openBrowser } from "../e2e/browser.mjs";
import { status, untilTrue } from "../e2e/sample.mjs";
import { install, packCommand } from "../map/command.mjs";

/** How many jobs each template has. */
const jobs = 60;

let parent;
let env;
let tarballs;

before(async () => {
  parent = mkdtempSync(join(tmpdir(), "distcompute create é-"));
  const packed = await packCommand(parent, ["create-distcompute"]);
  ({ tarballs } = packed);
  writeFileSync(join(parent, "package.json"), JSON.stringify({ private: true }));
  await install(parent, [join(parent, "create-distcompute-0.1.0.tgz")]);
  env = {
    ...toolEnv(),
    DISTCOMPUTE_TRACKER_PROGRAM: packed.tracker,
    CHROME_PATH: process.env.DISTCOMPUTE_CHROMIUM,
    // Kept between runs.
    CARGO_TARGET_DIR: join(root, "target", "create"),
  };
});

after(() => rmSync(parent, { recursive: true, force: true }));

/** Starts a program. Standard input is no terminal, and has ended. */
function start(folder, [program, ...args], more = {}) {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, to which signals go as from a terminal.
    detached: true,
  });
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  // A command that hangs must not hold up the tests.
  const limit = setTimeout(() => signal("SIGKILL"), 240_000);
  const run = { child, output: "", errors: "" };
  child.stdout.on("data", (data) => (run.output += data));
  child.stderr.on("data", (data) => (run.errors += data));
  const code = new Promise((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal)),
  ).finally(() => clearTimeout(limit));
  return Object.assign(run, { code, signal });
}

async function finished(folder, command, more) {
  const run = start(folder, command, more);
  const code = await run.code;
  return { code, output: run.output, text: run.output + run.errors };
}

const inBin = (folder, name) => join(folder, "node_modules", ".bin", name);
const distcompute = (project, ...args) => [inBin(project, "distcompute"), ...args];
const create = (...args) => finished(parent, [inBin(parent, "create-distcompute"), ...args]);

/** Makes a project and installs it. */
async function projectOf(template) {
  const { code, text } = await create(template, "--template", template, "--yes");
  assert.equal(code, 0, text);
  assert.match(text, new RegExp(`cd ${template}\\n +npm install\\n +npm start`));
  const folder = join(parent, template);
  await install(folder, tarballs);
  // Any free port.
  edit(folder, "tracker.toml", (toml) => toml.replace("127.0.0.1:8080", "127.0.0.1:0"));
  return folder;
}

function edit(folder, name, change) {
  const path = join(folder, name);
  const before = readFileSync(path, "utf8");
  const text = change(before);
  assert.notEqual(text, before);
  writeFileSync(path, text);
}

/** Starts a script of package.json with its tracker. */
async function served(t, folder, script) {
  const run = start(folder, ["npm", "run", "--silent", script]);
  t.after(() => run.signal("SIGKILL"));
  const page = () => /Volunteer page: (\S+)/.exec(run.output)?.[1];
  await untilTrue(
    () => page() !== undefined || run.child.exitCode !== null,
    () => run.output + run.errors,
  );
  assert.ok(page(), run.output + run.errors);
  return { run, page: page(), origin: new URL(page()).origin };
}

/** Opens the page and presses Start. */
async function volunteer(browser, url) {
  const page = await (await browser.newContext()).newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  await page.click("#start:enabled");
  return { page, complaints };
}

/** Ends it by Ctrl-C, after which nothing of it is left. */
async function interrupt({ run, origin }) {
  run.signal("SIGINT");
  // npm ends by the signal itself, if the shell that it started does.
  const code = await run.code;
  assert.ok([0, 130, "SIGINT"].includes(code), `${code}: ${run.errors}`);
  assert.equal(run.errors, "");
  await assert.rejects(fetch(origin));
}

const closed = async (origin) => (await status(origin)).closed;

/** The results of the last stage, in the order of the jobs. */
async function results(folder, stage) {
  const command = distcompute(folder, "tracker", "export", "--stage", stage);
  const { code, output, text } = await finished(folder, command);
  assert.equal(code, 0, text);
  const lines = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return lines.sort((one, other) => one.number - other.number).map(({ data }) => data);
}

/** Makes a project, runs its tests, starts it, and has a browser do all of its jobs. */
async function worksThrough(t, template, stage) {
  const folder = await projectOf(template);
  const tested = await finished(folder, ["npm", "test"]);
  assert.equal(tested.code, 0, tested.text);
  assert.match(tested.text, /(\d+) of \1 cases passed/);

  const server = await served(t, folder, "start");
  const { run, page, origin } = server;
  const { complaints } = await volunteer(await openBrowser(t), page);
  await untilTrue(
    async () => (await closed(origin)) === jobs,
    () => `${run.errors}\n${complaints.join("\n")}`,
  );
  assert.deepEqual(complaints, []);
  await interrupt(server);
  const found = await results(folder, stage);
  assert.equal(found.length, jobs);
  return { folder, found };
}

test("the template function is tested, started, and done by a browser", async (t) => {
  const { folder, found } = await worksThrough(t, "function", "a");
  // The number of primes below 1,200,001.
  assert.equal(
    found.reduce((sum, { primes }) => sum + primes, 0),
    92_938,
  );

  await t.test("what was imported is not imported again, and new files are", async (t) => {
    writeFileSync(join(folder, "jobs", "second.jsonl"), '{"from":1,"to":3}\n');
    const server = await served(t, folder, "start");
    assert.equal((await status(server.origin)).jobs, jobs + 1);
    assert.match(server.run.output, /^jobs\/second\.jsonl: imported 1 job/m);
    await interrupt(server);
  });

  await t.test("during development, a changed function begins the jobs anew", async (t) => {
    const server = await served(t, folder, "dev");
    const { run, page, origin } = server;
    const { page: tab } = await volunteer(await openBrowser(t), page);
    await untilTrue(
      async () => (await closed(origin)) === jobs + 1,
      () => run.errors,
    );
    const firstResult = async () => {
      const command = ["tracker", "export", "--stage", "a", "--database"];
      const database = "sqlite:.distcompute/dev/jobs.db";
      const { output } = await finished(folder, distcompute(folder, ...command, database));
      return output.split("\n")[0];
    };
    assert.match(await firstResult(), /"primes"/);

    edit(folder, "worker.js", (code) => code.replace("return { primes }", "return { primes: }"));
    await untilTrue(
      () => /worker\.js:\d+:\d+: Unexpected "}"/.test(run.errors),
      () => run.errors,
    );
    // The tab reloads, and computes on without a click.
    const reloaded = tab.waitForEvent("load");
    edit(folder, "worker.js", (code) => code.replace("primes: }", "many: primes }"));
    await reloaded;
    await untilTrue(
      async () => (await closed(origin).catch(() => 0)) === jobs + 1,
      () => run.output + run.errors,
    );
    assert.match(await firstResult(), /"many"/);

    const again = tab.waitForEvent("load");
    edit(folder, "page/index.html", (html) => html.replace("<h1>", '<h1 id="changed">'));
    await again;
    await tab.waitForSelector("#changed");
    assert.equal(await closed(origin), jobs + 1, "a changed page leaves the jobs");
    run.errors = "";
    await interrupt(server);
  });

  await t.test("faults are named", (t) => faults(t, folder));
  await t.test("check says what is wrong", () => checks(folder));
});

test("the template pipeline is tested, started, and done by a browser", async (t) => {
  const { found } = await worksThrough(t, "pipeline", "b");
  for (const { number, factors } of found) {
    assert.equal(
      factors.reduce((product, factor) => product * factor, 1),
      number,
    );
  }
});

test("the template rust is tested, started, and done by a browser", async (t) => {
  const { folder, found } = await worksThrough(t, "rust", "a");
  const steps = ({ start }) => {
    let count = 0;
    for (let number = BigInt(start); number !== 1n; count += 1) {
      number = number % 2n === 0n ? number / 2n : 3n * number + 1n;
    }
    return count;
  };
  for (const best of found) assert.equal(steps(best), best.steps);

  // A machine with Node and nothing else, and then with Rust.
  const bin = join(parent, "bin");
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, "node"));
  const build = distcompute(folder, "build");
  const bare = await finished(folder, build, { PATH: bin });
  assert.equal(bare.code, 1);
  assert.match(bare.text, /cargo was not found\. .* kernel in Rust .* https:\/\/rustup\.rs/);
  for (const name of ["cargo", "rustc"]) symlinkSync(which(name), join(bin, name));
  const noPack = await finished(folder, build, { PATH: bin });
  assert.equal(noPack.code, 1);
  assert.match(
    noPack.text,
    /wasm-pack was not found\. .* Install wasm-pack: cargo install wasm-pack/,
  );

  edit(folder, "kernel/src/lib.rs", (code) => code.replace("let mut steps = 0;", "let steps = 0;"));
  const wrong = await finished(folder, build);
  assert.equal(wrong.code, 1);
  assert.match(wrong.text, /The kernel cannot be built\.[^]*src\/lib\.rs:\d+/);
});

async function faults(t, folder) {
  const refused = async (command, expected, where = folder) => {
    const { code, text } = await finished(where, command);
    assert.equal(code, 1, text);
    assert.match(text, expected);
  };
  const taken = createServer().listen(0, "127.0.0.1");
  t.after(() => taken.close());
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address();
  edit(folder, "tracker.toml", (toml) => toml.replace("127.0.0.1:0", `127.0.0.1:${port}`));
  await refused(
    distcompute(folder, "start"),
    /Another program listens on port \d+ .* change listen/,
  );
  edit(folder, "tracker.toml", (toml) => toml.replace(`127.0.0.1:${port}`, "127.0.0.1:0"));

  edit(folder, "tracker.toml", (toml) => `max_bdy = 1\n${toml}`);
  const wrong = await finished(folder, distcompute(folder, "start"));
  assert.deepEqual([wrong.code, wrong.text.match(/unknown field/g)?.length], [1, 1], wrong.text);
  edit(folder, "tracker.toml", (toml) => toml.replace("max_bdy = 1\n", ""));

  const nowhere = { CHROME_PATH: join(folder, "no-browser") };
  const lacking = await finished(folder, distcompute(folder, "test"), nowhere);
  assert.equal(lacking.code, 1);
  assert.match(lacking.text, /CHROME_PATH names .*no-browser, which does not exist/);

  edit(folder, "tests/cases.jsonl", (text) => text.replace('"primes":4', '"primes":5'));
  await refused(distcompute(folder, "test"), /another output\n +expected: .*5.*\n +found: .*4/);
  edit(folder, "worker.js", (code) => `${code}\nthis is no code;\n`);
  for (const command of ["build", "start", "test"]) {
    await refused(distcompute(folder, command), /worker\.js:\d+:\d+: Expected ";"/);
  }
  mkdirSync(join(parent, "empty"));
  for (const command of ["build", "start", "dev", "test"]) {
    await refused(distcompute(folder, command), /no worker\.js here/, join(parent, "empty"));
  }
  await refused([inBin(parent, "create-distcompute"), "function", "--yes"], /is not empty/, parent);
  await refused([inBin(parent, "create-distcompute")], /no terminal to ask in/, parent);
}

async function checks(folder) {
  const place = "50 % of é";
  mkdirSync(join(folder, place));
  const check = async (code, { input = '{"a":1}', args = [] } = {}) => {
    const script = join(place, "worker.js");
    const inputs = join(place, "inputs.jsonl");
    writeFileSync(join(folder, script), code);
    writeFileSync(join(folder, inputs), `${input}\n`);
    return await finished(folder, distcompute(folder, "check", script, inputs, ...args));
  };
  const worker = (body) => `import { work } from "distcompute-client";\n${body}\n`;
  const clean = await check(
    worker(`work({
      setup: async () => (await fetch(new URL("./inputs.jsonl", import.meta.url))).ok,
      async handler({ data }, { progress, checkpoint, restored, setup }) {
        const begin = restored ?? 0;
        for (let done = begin; done < 4; done += 1) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          checkpoint(done + 1);
          progress(done + 1, 4);
        }
        return { data, setup };
      },
    });`),
  );
  assert.equal(clean.code, 0, clean.text);
  assert.match(
    clean.text,
    /output \{"data":\{"a":1\},"setup":true\}\n1 job run: 0 errors, 0 warnings/,
  );

  for (const [body, expected, options] of [
    ["work(() => ({ a: [1, NaN] }));", /result\.a\[1\] is NaN/],
    ["work(({ data }) => data.b.c);", /TypeError: .*\n +at .*worker\.js:2:\d+/],
    ["work(({ data }, { checkpoint }) => checkpoint(() => {}));", /checkpoint cannot be cloned/],
    ["work(() => 'x'.repeat(2 ** 24));", /16\.8 MB of JSON, and the tracker takes 16\.7 MB/],
    ["work(() => { for (;;); });", /not end within 1\.0 s/, { args: ["--timeout", "1"] }],
    ["work({ handle: () => 1 });", /did you mean 'handler'/],
    [
      "throw new Error('at the top');",
      /cannot be loaded\.\n +Error: at the top\n +at .*worker\.js:2/,
    ],
    ["work(() => {", /worker\.js:\d+:\d+: Unexpected end of file/],
    ["work(() => ({}));", /is not JSON/, { input: "{" }],
    ["work(() => ({}));", /Write \{"value":5\}/, { input: "5" }],
    [
      "work((_, { progress }) => { try { progress(1, 2); } catch {} return {}; });",
      /catches what progress throws/,
    ],
    [
      `work((_, { progress, checkpoint, restored = 0 }) => {
        for (let sum = restored, part = 0; ; part += 1) {
          if (part === 4) return { sum };
          checkpoint((sum += 1));
        }
      });`,
      /whole: +\{"sum":4\}\n +continued: \{"sum":6\}/,
    ],
  ]) {
    const { code, text } = await check(worker(body), options);
    assert.equal(code, 1, `${body}\n${text}`);
    assert.match(text, expected, body);
  }
  const lines = await check("export const stages = { a: (x) => x + 1, b: (x) => [x, 1n] };", {
    input: "1\n2",
    args: ["--json"],
  });
  assert.equal(lines.code, 1);
  const findings = lines.output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const errors = findings.filter(({ level }) => level === "error");
  assert.deepEqual(
    errors.map(({ line, stage }) => [line, stage]),
    [
      [1, "b"],
      [2, "b"],
    ],
  );
  assert.match(errors[0].message, /is a BigInt/);
}
