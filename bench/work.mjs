// Compares `distcompute work` with bare worker threads that call the same function: `node bench/work.mjs`.
// The two take turns, so that both see the same machine. Prints the ratio of each round, and the middle one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";

import { installCommand } from "../tests/map/command.mjs";

const { values } = parseArgs({
  options: {
    cores: { type: "string", default: "1" },
    "job-ms": { type: "string", default: "10" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
  },
});
const cores = Number(values.cores);
const jobMs = Number(values["job-ms"]);
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

/** The function that both call: it keeps the processor busy. */
const spin = `export function spin(count) {
  let state = 1;
  for (let at = 0; at < count; at += 1) state = (Math.imul(state, 48_271) + at) | 0;
  return state;
}`;

/** Runs a function of the module above in bare threads. */
async function inThreads(count, ms) {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import("data:text/javascript," + encodeURIComponent(workerData.spin)).then(({ spin }) => {
      for (let at = 0; at < 20; at += 1) spin(workerData.count);
      const begun = performance.now();
      let done = 0;
      while (performance.now() - begun < workerData.ms) {
        spin(workerData.count);
        done += 1;
      }
      parentPort.postMessage((1000 * done) / (performance.now() - begun));
    });`;
  const rates = await Promise.all(
    Array.from({ length: cores }, async () => {
      const worker = new Worker(code, { eval: true, workerData: { spin, count, ms } });
      const [rate] = await once(worker, "message");
      return rate;
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

const token = "a token of some length";
const command = await installCommand();
const { folder, packageDir, tracker } = command;
mkdirSync(join(folder, "www"));
cpSync(packageDir, join(folder, "www", "pkg"), { recursive: true });
command.put("www/spin.js", spin);
command.put(
  "www/worker.js",
  `import { work } from "./pkg/distcompute_client.js";
   import { spin } from "./spin.js";
   work(({ data: [count] }) => [spin(count), performance.timeOrigin + performance.now()]);`,
);
command.put("token", token);

/** Runs the command on jobs of the same function: results a second, by the clock of those who made them. */
async function inCommand(count, jobs) {
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
  const body = `[${count}]\n`.repeat(jobs);
  await fetch(`${url}/api/jobs`, { method: "POST", headers, body });
  const trusted = ["--trust-code", new URL(url).host, "--cores", String(cores)];
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
  times.sort((one, other) => one - other);
  // Without the first second, in which the threads start, and the last, in which not all of them have jobs.
  const within = times.filter((time) => time > times[0] + 1000 && time < times.at(-1) - 1000);
  return (1000 * (within.length - 1)) / (within.at(-1) - within[0]);
}

let count = 1_000_000;
count = Math.round((count * (await inThreads(count, 1000)) * jobMs) / (1000 * cores));
const ratios = [];
try {
  for (let round = 1; round <= rounds; round += 1) {
    const before = await inThreads(count, 500 * seconds);
    const rate = await inCommand(count, Math.ceil(before * (seconds + 2)));
    const after = await inThreads(count, 500 * seconds);
    const bare = (before + after) / 2;
    ratios.push(rate / bare);
    const figures = [bare, rate].map((value) => value.toFixed(1));
    console.log(
      `round ${round}: threads ${figures[0]}/s, work ${figures[1]}/s, ratio ${ratios.at(-1)?.toFixed(3)}`,
    );
  }
} finally {
  command.remove();
}
const middle = ratios.sort((one, other) => one - other)[Math.floor(ratios.length / 2)];
console.log(`${cores} cores, jobs of ${jobMs} ms: ${middle?.toFixed(3)} of bare worker threads`);
