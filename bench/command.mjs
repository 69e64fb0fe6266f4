// `npm run bench -- command`: how much of a core `distcompute work` and `distcompute map` give to a function,
// compared with bare worker threads, and the memory that `map` takes for a long input.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { installCommand } from "../tests/map/command.mjs";
import { readArguments as read } from "./arguments.mjs";
import { publish } from "./command-report.mjs";
import { grouped } from "./figures.mjs";
import { machineFacts, memoryMb, processesBelow } from "./machine.mjs";

const every = { parts: ["work", "map", "stream"] };

export const usage = `npm run bench -- command [options]

  --parts LIST   ${every.parts}
  --rounds N     how often work and map are measured; medians count (5)
  --seconds N    how long work is measured in each round (10)
  --inputs N     of map, each 1 ms of work (100000)
  --stream N     empty inputs of map, to see the memory that it takes (10000000)
  --quick        one round, 3 s, 3,000 inputs of 1 ms, 30,000 empty ones

One core computes, and what else runs needs the other one. A run of everything takes about two hours, most of it for
the ten million inputs, and writes bench/results/; any other writes target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = { parts: { all: every.parts } };
  const numbers = { rounds: 5, seconds: 10, inputs: 100_000, stream: 10_000_000 };
  const quick = { rounds: 1, seconds: 3, inputs: 3_000, stream: 30_000 };
  return read(args, { usage, lists, numbers, quick });
}

/** The function that all call: it keeps the processor busy. */
const spin = `export function spin(count) {
  let state = 1;
  for (let at = 0; at < count; at += 1) state = (Math.imul(state, 48_271) + at) | 0;
  return state;
}`;

/** How many of its turns take about a millisecond where nothing else is known. */
const turnsAtFirst = 1_000_000;

const token = "a token of some length";

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const command = await installCommand();
  try {
    const facts = await machineFacts({ folder: command.folder });
    const turnsOfMs = (turnsAtFirst * (await inThread(turnsAtFirst, 1000))) / 1000;
    const figures = [];
    for (const part of wanted.parts) {
      for (const figure of await measure[part]({ command, turnsOfMs, ...wanted })) {
        figures.push(figure);
        console.log(JSON.stringify(figure));
      }
    }
    publish({ figures, facts, how: howText(wanted), everything: wanted.everything });
  } finally {
    command.remove();
  }
}

/** Each part returns its figures. */
const measure = {
  work: (cx) => rounds(cx, { what: "work", job_ms: 10, of: inWork }),
  map: (cx) => rounds(cx, { what: "map", job_ms: 1, of: inMap }),
  stream: async (cx) => [await streamed(cx)],
};

/** Measures the command and the bare thread in turns, so that both see the same machine. */
async function rounds({ rounds: count, seconds, ...cx }, { what, job_ms, of }) {
  const turns = Math.round(cx.turnsOfMs * job_ms);
  const figures = [];
  for (let round = 0; round < count; round += 1) {
    const before = await inThread(turns, 500 * seconds);
    const rate = await of({ ...cx, seconds, turns, before });
    const bare = (before + (await inThread(turns, 500 * seconds))) / 2;
    figures.push({ what, job_ms, jobs_per_s: rate, threads_per_s: bare, share: rate / bare });
  }
  return figures;
}

/** Calls the function in a bare thread for some time. Resolves to the calls a second. */
async function inThread(turns, ms) {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import("data:text/javascript," + encodeURIComponent(workerData.spin)).then(({ spin }) => {
      for (let at = 0; at < 20; at += 1) spin(workerData.turns);
      const begun = performance.now();
      let done = 0;
      while (performance.now() - begun < workerData.ms) {
        spin(workerData.turns);
        done += 1;
      }
      parentPort.postMessage((1000 * done) / (performance.now() - begun));
    });`;
  const worker = new Worker(code, { eval: true, workerData: { spin, turns, ms } });
  const [rate] = await once(worker, "message");
  return rate;
}

/** Runs `distcompute work` at a tracker with jobs for some seconds. Resolves to the results a second. */
async function inWork({ command, turns, before, seconds }) {
  const { folder, packageDir, tracker } = command;
  mkdirSync(join(folder, "www"), { recursive: true });
  cpSync(packageDir, join(folder, "www", "pkg"), { recursive: true });
  command.put("www/spin.js", spin);
  command.put(
    "www/worker.js",
    `import { work } from "./pkg/distcompute_client.js";
     import { spin } from "./spin.js";
     work(({ data: [turns] }) => [spin(turns), performance.timeOrigin + performance.now()]);`,
  );
  command.put("token", token);
  const jobs = Math.ceil(before * (seconds + 2));
  const database = `sqlite:jobs-${Date.now()}.db`;
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "off"];
  const site = ["--files", "/volunteer=www", "--volunteer-page", "/volunteer/"];
  const serving = spawn(tracker, [...args, ...site, "--admin-token-file", "token"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: serving.stdout }), "line");
  const url = line.split(" ").at(-1).replace(/\/$/, "");
  const headers = { authorization: `Bearer ${token}` };
  await fetch(`${url}/api/jobs`, { method: "POST", headers, body: `[${turns}]\n`.repeat(jobs) });
  const trusted = ["--trust-code", new URL(url).host, "--cores", "1"];
  const run = command.start(["work", url, ...trusted, "--state", "work"]);
  for (;;) {
    const { closed } = await (await fetch(`${url}/api/status`)).json();
    if (closed === jobs) break;
    await sleep(200);
  }
  run.child.kill("SIGINT");
  await run.code;
  const times = [];
  for (let after = 0; ;) {
    const answer = await fetch(`${url}/api/results?stage=a&after=${after}&limit=1000`, { headers });
    const lines = (await answer.text()).split("\n").filter((line) => line !== "");
    if (lines.length === 0) break;
    for (const { cursor, data } of lines.map((line) => JSON.parse(line))) {
      after = cursor;
      times.push(JSON.parse(data.slice("<!json!>".length))[1]);
    }
  }
  serving.kill();
  await once(serving, "exit");
  return steadyRate(times);
}

/** Runs `distcompute map` on inputs. Resolves to the outputs a second, by the clock of who computed them. */
async function inMap({ command, turns, inputs }) {
  command.put("spin.js", spin);
  command.put(
    "map-spin.js",
    `import { spin } from "./spin.js";
     export default (turns) => [spin(turns), performance.timeOrigin + performance.now()];`,
  );
  command.put("inputs.jsonl", `${turns}\n`.repeat(inputs));
  const args = ["map", "./map-spin.js", "inputs.jsonl", "--local", "1", "--fresh"];
  const { code, output, errors } = await command.finished(args, { limitMs: 3_600_000 });
  const lines = output.split("\n").filter((line) => line !== "");
  if (code !== 0 || lines.length !== inputs)
    throw new Error(`map ended with ${code} after ${lines.length} of ${inputs} outputs: ${errors}`);
  return steadyRate(lines.map((line) => JSON.parse(line)[1]));
}

/** The rate without the first second, in which the threads start, and the last, which may lack jobs. */
function steadyRate(times) {
  const sorted = times.sort((one, other) => one - other);
  const within = sorted.filter((time) => time > sorted[0] + 1000 && time < sorted.at(-1) - 1000);
  if (within.length < 2) throw new Error("The measurement is too short.");
  return (1000 * (within.length - 1)) / (within.at(-1) - within[0]);
}

/** How often the memory is read. */
const memoryEveryMs = 1000;

/** Maps empty inputs, and reads the memory of the processes meanwhile: of the first tenth, and of all. */
async function streamed({ command, stream }) {
  command.put("same.js", "export default (input) => input;");
  const line = `seq 1 ${stream} | exec node_modules/.bin/distcompute map ./same.js --local 1 --fresh`;
  const begun = performance.now();
  const child = spawn("/bin/sh", ["-c", `${line} | tail -n 1`], {
    cwd: command.folder,
    env: command.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let last = "";
  child.stdout.on("data", (data) => (last += data));
  let errors = "";
  let done = 0;
  child.stderr.on("data", (data) => {
    errors = (errors + data).slice(-2000);
    const counts = [...errors.matchAll(/([\d,]+) of [\d,]+\+? done/g)];
    if (counts.length > 0) done = Number(counts.at(-1)[1].replaceAll(",", ""));
  });
  const peaks = { early: 0, all: 0 };
  let reported = 0;
  const timer = setInterval(() => {
    const below = processesBelow(child.pid).map(({ pid }) => memoryMb(pid) ?? 0);
    const sum = below.reduce((total, mb) => total + mb, 0);
    peaks.all = Math.max(peaks.all, sum);
    if (done < stream / 10) peaks.early = Math.max(peaks.early, sum);
    const tenth = Math.floor((10 * done) / stream);
    if (tenth > reported) {
      console.log(`${grouped(done)} of ${grouped(stream)}, ${Math.round(sum)} MB`);
      reported = tenth;
    }
  }, memoryEveryMs);
  const [code] = await once(child, "close");
  clearInterval(timer);
  if (code !== 0 || last.trim() !== String(stream))
    throw new Error(`map ended with ${code}, its last output is ${last.trim()}: ${errors}`);
  return {
    ...{ what: "stream", inputs: stream },
    jobs_per_s: (1000 * stream) / (performance.now() - begun),
    ...{ early_mb: peaks.early, most_mb: peaks.all },
  };
}

function howText({ rounds, seconds, inputs, stream }) {
  return [
    `\`work\` and \`map\` compute on one core, in ${rounds} rounds; before and after each, the same function is called in a bare worker thread of Node for ${seconds / 2} s.`,
    `\`work\`: about ${seconds + 2} s of jobs, from a tracker on SQLite on this machine. \`map\`: ${grouped(inputs)} inputs, with the tracker that it starts. The first and the last second do not count.`,
    `\`stream\`: ${grouped(stream)} inputs whose function returns them; the resident memory of the command, its threads and its tracker together, read each second.`,
  ];
}
