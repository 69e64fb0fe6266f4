// `distcompute work` as a user runs it: installed from packed tarballs, for a project whose page is for
// browsers.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { memoryMb, processesBelow } from "../../bench/machine.mjs";
import { startProxy } from "../e2e/engine/proxy.mjs";
import { status, untilTracker, untilTrue } from "../e2e/sample.mjs";
import { installCommand, numbers } from "./command.mjs";

/** @type {Awaited<ReturnType<typeof installCommand>>} */
let command;
/** The tracker, which all tests share, and its key. */
let url;
const key = "only-for-the-invited";
const token = "a token of some length";

before(async () => {
  command = await installCommand();
  const { folder, packageDir, put } = command;
  mkdirSync(join(folder, "www", "lib"), { recursive: true });
  cpSync(packageDir, join(folder, "www", "pkg"), { recursive: true });
  put("www/factor.json", '{ "factor": 3 }\n');
  put("www/lib/attempts.js", attempts);
  put("www/worker.js", script("first"));
  put("token", token);
  url = await serve("jobs.db", ["--join-key", key]);
});

/** Starts a tracker, and resolves to its address. @type {(database: string, flags: string[]) => Promise<string>} */
async function serve(database, flags) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", `sqlite:${database}`];
  const site = ["--files", "/volunteer=www", "--volunteer-page", "/volunteer/", "--log", "off"];
  const serving = spawn(
    command.tracker,
    [...args, ...site, "--admin-token-file", "token", ...flags],
    { cwd: command.folder, stdio: ["ignore", "pipe", "inherit"] },
  );
  stops.push(() => serving.kill());
  const [line] = await once(createInterface({ input: serving.stdout }), "line");
  return line.split(" ").at(-1).replace(/\/$/, "");
}

const stops = [];
after(() => {
  for (const stop of stops) stop();
  command?.remove();
});

/** The script of a project. It is written for browsers, and knows nothing of Node but how to attack it. */
const script = (version) => `
  import { work } from "./pkg/distcompute_client.js";
  import { attempts } from "./lib/attempts.js";
  work({
    setup: async () => (await fetch(new URL("factor.json", import.meta.url))).json(),
    async handler({ data: [input, wait] }, { setup, checkpoint, resume, progress }) {
      if (input === "attempts") return await attempts();
      if (resume) return [${JSON.stringify(version)}, input * setup.factor, resume.seen];
      checkpoint({ seen: input });
      for (let at = 0; at < wait / 10; at += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        progress(at, wait / 10);
      }
      return [${JSON.stringify(version)}, input * setup.factor];
    },
  });`;

/** What of this machine a script gets hold of. */
const attempts = `
  export async function attempts() {
    const node = (name) => process.getBuiltinModule("node:" + name);
    const all = {
      read: () => node("fs").readFileSync("/etc/hostname"),
      key: () => node("fs").readFileSync("key.json"),
      folder: () => node("fs").writeFileSync("key.json", "{}"),
      write: () => node("fs").writeFileSync(node("os").tmpdir() + "/distcompute-evil", ""),
      link: () => node("fs").symlinkSync("/etc", "etc"),
      spawn: () => node("child_process").execSync("true"),
      fork: () => node("cluster").fork(),
      thread: () => new (node("worker_threads").Worker)("", { eval: true, execArgv: ["--no-warnings"] }),
      import: async () => new (await import("node:worker_threads")).Worker("", { eval: true, execArgv: [] }),
      require: () => new (node("module").createRequire("/x.js")("worker_threads").Worker)("", { eval: true }),
      hooks: () => node("module").register("data:text/javascript,"),
      inspector: () => new (node("inspector").Session)().connect(),
      signal: () => process.kill(process.ppid, 0),
      debug: () => process._debugProcess(process.ppid),
      binding: () => process.binding("spawn_sync"),
      secret: () => { if (process.env.SECRET === undefined) throw new Error("none"); },
    };
    const succeeded = [];
    for (const [name, attempt] of Object.entries(all)) {
      try { await attempt(); succeeded.push(name); } catch {}
    }
    return succeeded;
  }`;

const call = async (path, init = {}, at = url) => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(at + path, { ...init, headers });
  assert.ok(answer.ok, `${path} ${answer.status}`);
  return await answer.text();
};
const addJobs = (jobs, at = url) => {
  const body = jobs.map((job) => JSON.stringify(job)).join("\n");
  return call("/api/jobs", { method: "POST", body }, at);
};

async function outputs(at = url) {
  const lines = (await call("/api/results?stage=a", {}, at))
    .split("\n")
    .filter((line) => line !== "");
  const results = lines.map((line) => JSON.parse(line));
  return new Map(
    results.map(({ number, data }) => [number, JSON.parse(data.slice("<!json!>".length))]),
  );
}

const start = (args, options) => command.start(["work", ...args], options);
/** The arguments with which it works. */
const trusted = (...more) => {
  const { host } = new URL(url);
  return [url, "--trust-code", host, "--cores", "2", "--state", "work", ...more];
};
const withKey = { more: { DISTCOMPUTE_JOIN_KEY: key, SECRET: "of this user" } };

test("what cannot be run is refused before anything runs", async () => {
  const { host } = new URL(url);
  const refused = async (args, expected, options = withKey) => {
    const { code, errors } = await command.finished(["work", ...args], options);
    assert.equal(code, 1, errors);
    assert.match(errors, expected);
  };
  await refused([url], new RegExp(`not trusted.*--trust-code ${host}`));
  await refused([url, "--trust-code", "127.0.0.1"], /not trusted/);
  await refused(["http://192.0.2.1"], /must begin with https/);
  await refused([`${url}/nowhere/at/all/`], /There is no tracker at .*answers 404/);
  await refused(trusted("--stages", "b"), /no stage b/);
  await refused(trusted("--worker", "/volunteer/none.js"), /none\.js answers 404/);
  command.put("www/wrong.js", 'import "./lib/attempts.js";\nimport x from "lodash";\n');
  await refused(trusted("--worker", "/volunteer/wrong.js"), /wrong\.js:2: "lodash" is no address/);
  command.put("www/other.js", 'import "http://127.0.0.1:1/x.js";\n');
  await refused(trusted("--worker", "/volunteer/other.js"), /127\.0\.0\.1:1, which is not trusted/);
  await refused(trusted(), /takes volunteers who have its join key/, {});
  assert.equal((await status(url)).stages[0].workers, 0);
});

test("the page's script runs unchanged, with nothing of this machine, until Ctrl-C", async () => {
  // So many that some are left when the command has heard of the signal, however busy the machine is.
  const jobs = numbers(400);
  await addJobs([["attempts", 0], ...jobs.map((number) => [number, 20])]);
  const run = start(trusted(), withKey);
  await untilTracker(url, "done", ({ stages }) => stages[0].done > 20);
  run.child.kill("SIGINT");
  assert.equal(await run.code, 0, run.errors);
  assert.match(run.errors, /Finishing the running jobs.*Stopped: \d+ jobs done, 0 failed\./s);
  const { stages } = await status(url);
  assert.deepEqual([stages[0].held, stages[0].workers], [0, 0], "what ran is done");
  assert.ok(stages[0].open > 0, "it was stopped before it was done");

  // Another user of this machine would be refused; the same one goes on.
  const more = start([`${url}/volunteer/#key=${key}`, ...trusted().slice(1)]);
  await untilTracker(url, "all done", ({ closed }) => closed === jobs.length + 1);
  more.child.kill("SIGTERM");
  assert.equal(await more.code, 0, more.errors);
  const found = await outputs();
  assert.deepEqual(found.get(1), [], "what the script got hold of");
  for (const number of jobs) assert.deepEqual(found.get(number + 1), ["first", 3 * number]);
});

test("after a kill, a job goes on from its checkpoint, with the project's new script", async () => {
  await addJobs([
    [1001, 60_000],
    [1002, 60_000],
  ]);
  const { closed } = await status(url);
  const run = start(trusted(), withKey);
  const kept = () => readFileSync(join(command.folder, "work", "storage"));
  await untilTracker(url, "at work", ({ stages }) => stages[0].held === 2);
  await untilTrue(
    () => kept().includes("seen"),
    () => run.errors,
  );
  run.child.kill("SIGKILL");
  await run.code;
  command.put("www/worker.js", script("second"));
  const again = start(trusted(), withKey);
  await untilTrue(
    async () => (await status(url)).closed >= closed + 1,
    () => again.errors,
  );
  // More than once: what runs is given back at once.
  again.child.kill("SIGINT");
  const signals = setInterval(() => again.child.kill("SIGINT"), 400);
  const code = await again.code;
  clearInterval(signals);
  assert.ok([0, 130].includes(code), `${code} ${again.errors}`);
  const resumed = [...(await outputs()).values()].filter(([version]) => version === "second");
  assert.ok(resumed.length > 0);
  for (const [, output, seen] of resumed) assert.equal(output, 3 * seen);
  assert.ok(!existsSync(join(command.folder, "work", "lock")));
});

/** The script of a project whose jobs have files: stage a makes them, stage b reads them. */
const filesScript = `
  import { work } from "./pkg/distcompute_client.js";
  const piece = (at) => new Uint8Array(1_000_000).fill(at % 251);
  const stages = {
    async a({ data: { megabytes } }, { put }) {
      let at = 0;
      const pull = (to) => (at < megabytes ? to.enqueue(piece(at++)) : to.close());
      return { file: await put(new ReadableStream({ pull }), { type: "text/x-noise" }) };
    },
    async b(job, { put }) {
      const file = await job.file(job.data.file);
      let sum = 0;
      for await (const chunk of file.stream()) for (const byte of chunk) sum += byte;
      const some = await put(new Blob(["<", file.slice(999_999, 1_000_001), ">"]), { type: file.type });
      return { bytes: file.size, sum, some };
    },
  };
  work((job, context) => stages[job.stage](job, context));`;

/** The memory that processes have resident together, in MB. */
const residentMb = (pids) => pids.reduce((sum, pid) => sum + (memoryMb(pid) ?? 0), 0);

test("files of jobs are on the disk, go on after a kill, and take no memory", async (t) => {
  const { folder, tracker, put } = command;
  mkdirSync(join(folder, "files-www"));
  cpSync(command.packageDir, join(folder, "files-www", "pkg"), { recursive: true });
  put("files-www/worker.js", filesScript);
  const args = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--database",
    "sqlite:files.db",
    "--log",
    "off",
  ];
  const site = ["--files", "/volunteer=files-www", "--volunteer-page", "/volunteer/"];
  const more = [
    "--stage",
    "a=Make",
    "--stage",
    "b=Read",
    "--admin-token-file",
    "token",
    "--public-results=true",
  ];
  const serving = spawn(tracker, [...args, ...site, ...more], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => serving.kill());
  const [line] = await once(createInterface({ input: serving.stdout }), "line");
  const proxy = await startProxy(t, { url: line.split(" ").at(-1).replace(/\/$/, "") });
  const megabytes = 200;
  const headers = { authorization: `Bearer ${token}` };
  const body = JSON.stringify({ megabytes });
  const added = await fetch(`${proxy.url}/api/jobs`, { method: "POST", headers, body });
  assert.equal(added.status, 200);
  const { host } = new URL(proxy.url);
  const begin = () =>
    start([proxy.url, "--trust-code", host, "--cores", "1", "--state", "files-work"]);
  const parts = () => proxy.requests.filter(({ method }) => method === "PUT").length;
  const all = Math.ceil((megabytes * 1_000_000) / 2 ** 22);

  // Killed in the middle of the upload, when the file is kept.
  proxy.delays = ({ method }) => (method === "PUT" ? 400 : 0);
  const run = begin();
  const kept = join(folder, "files-work", "files", "distcompute-files");
  const isKept = () => readdirSync(kept).some((name) => /sha256-[0-9a-f]{64}%3F\d+$/.test(name));
  await untilTrue(
    () => parts() >= 8 && isKept(),
    () => run.errors,
  );
  run.child.kill("SIGKILL");
  await run.code;
  const before = parts();
  assert.ok(before < all, "it was killed too late");
  proxy.delays = () => 0;
  const again = begin();
  let most = 0;
  await untilTrue(
    async () => {
      const pids = processesBelow(again.child.pid).map(({ pid }) => pid);
      most = Math.max(most, residentMb(pids));
      return (await status(proxy.url)).closed === 1;
    },
    () => again.errors,
  );
  again.child.kill("SIGINT");
  assert.equal(await again.code, 0, again.errors);
  assert.match(again.errors, /0 failed/);
  // Of the parts that were under way the tracker may have some. The small file of stage b is one more.
  assert.ok(parts() <= all + 4 + 1, `${parts()} parts for ${all}`);
  const answer = await fetch(`${proxy.url}/api/results?stage=b`);
  const { data } = JSON.parse(await answer.text());
  const { bytes, sum, some } = JSON.parse(data.replace("<!json!>", ""));
  const wanted = Array.from({ length: megabytes }, (_, at) => at * 1_000_000);
  assert.deepEqual([bytes, sum], [megabytes * 1_000_000, wanted.reduce((all, one) => all + one)]);
  const read = await fetch(new URL(some.url, `${proxy.url}/`));
  assert.deepEqual([...new Uint8Array(await read.arrayBuffer())], [60, 0, 1, 62]);
  // Node and the scheduler alone have about 200 MB.
  assert.ok(most < 350, `${Math.round(most)} MB of memory`);
});

test("it has a key, so that it can be the operator's worker", async () => {
  const state = ["--state", "own"];
  const { code, output } = await command.finished([
    "work",
    "http://127.0.0.1:1",
    "--show-key",
    ...state,
  ]);
  assert.equal(code, 0);
  const thumbprint = output.trim();
  assert.match(thumbprint, /^[\w-]{43}$/);
  command.put("checked.toml", `operator_keys = ["${thumbprint}"]\n[trust]\na = "adaptive"\n`);
  command.put("www/worker.js", script("checked"));
  const at = await serve("checked.db", ["--config", "checked.toml"]);
  await addJobs(
    [
      [1, 0],
      [2, 0],
      [3, 0],
    ],
    at,
  );
  const post = async (path, body) => {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${at}/api/${path}`, request);
    assert.equal(answer.status, 200, path);
    return answer;
  };
  // Volunteers without keys: each result of theirs waits until somebody who is believed has made it, too.
  const { token } = await (await fetch(`${at}/api/new?nickname=Mallory&stage=a`)).json();
  for (const lies of [true, false]) {
    const { number, data } = await (await post("newJob", { token })).json();
    const [input] = JSON.parse(data.replace("<!json!>", ""));
    const right = `<!json!>${JSON.stringify(["checked", 3 * input])}`;
    await post("completeJob", { token, number, data: lies ? "wrong" : right });
  }
  const [before] = (await status(at)).stages;
  assert.deepEqual([before.waiting, before.done, before.open], [2, 0, 1]);

  const { host } = new URL(at);
  const run = start([at, "--trust-code", host, "--cores", "2", ...state]);
  await untilTrue(
    async () => (await status(at)).stages[0].done === 2,
    () => run.errors,
  );
  const [checked] = (await status(at)).stages;
  assert.deepEqual([checked.waiting ?? 0, checked.wrong, checked.open], [0, 1, 1]);
  for (const [number, output] of await outputs(at)) {
    assert.deepEqual(output, ["checked", 3 * number]);
  }
  run.child.kill("SIGINT");
  await run.code;
  assert.match(run.errors, new RegExp(`The key of this volunteer: ${thumbprint}`));
});
