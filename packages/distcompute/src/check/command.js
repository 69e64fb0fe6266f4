// `distcompute check`: tries a script with the first inputs, and says what is wrong.

import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { stop } from "esbuild";

import { Failure } from "../failure.js";
import { lines } from "../map/lines.js";
import { onSignals } from "../signals.js";
import { Worker } from "../threads/worker.js";
import {
  cut,
  judge,
  judgeCheckpoint,
  judgeDurations,
  judgeStop,
  milliseconds,
  ownersPart,
} from "./judge.js";
import { readOptions, usage } from "./options.js";
import { bundleForTrial } from "./script.js";
import { Trial } from "./trial.js";

/** @param {string[]} args */
export async function check(args) {
  const options = readOptions(args);
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const jobs = await jobsIn(options);
  const folder = mkdtempSync(join(tmpdir(), "distcompute-check-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const ignore = onSignals(() => {
    remove();
    process.exit(130);
  });
  const report = new Report(options.json);
  try {
    const bundled = join(folder, "trial.js");
    await bundleForTrial(options.script, bundled);
    await stop();
    const trial = new Trial({
      spawn: () => new Worker(pathToFileURL(bundled)),
      timeoutMs: options.timeoutMs,
    });
    try {
      await tryAll({ trial, jobs, options, report });
    } finally {
      trial.end();
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    report.finding({}, { level: "error", message: error.message });
  } finally {
    ignore();
    remove();
  }
  return report.end();
}

/**
 * The first inputs, each with the number of its line.
 *
 * @param {import("./options.js").Options} options
 */
async function jobsIn({ inputs, txt, count }) {
  if (!existsSync(inputs)) throw new Failure(`There is no file ${inputs}.`);
  const jobs = [];
  let line = 0;
  for await (const text of lines(createReadStream(inputs))) {
    line += 1;
    if (text.trim() === "") continue;
    jobs.push({ line, data: txt ? text : parsed(text, line, inputs) });
    if (jobs.length === count) break;
  }
  if (jobs.length === 0) throw new Failure(`${inputs} has no inputs.`);
  return jobs;
}

function parsed(text, line, inputs) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure(
      `Line ${line} of ${inputs} is not JSON: ${cut(text, 100)}\nWith --txt, inputs are plain lines.`,
    );
  }
}

async function tryAll({ trial, jobs, options, report }) {
  const loaded = await trial.load();
  if ("unloadable" in loaded) {
    throw new Failure(`${options.script} cannot be loaded.\n${ownersPart(loaded.unloadable)}`);
  }
  const stages = options.stages ?? loaded.stages ?? ["a"];
  const durations = new Map(stages.map((stage) => [stage, []]));
  let tried;
  for (const { line, data } of jobs) {
    let input = data;
    for (const stage of stages) {
      const place = { line, stage };
      if (loaded.kind === "worker" && Object(input) !== input && typeof input !== "string") {
        const text = cut(JSON.stringify(input));
        const what = `A job is a text, an array or an object, and not ${text}. Write {"value":${text}}.`;
        report.finding(place, { level: "error", message: what });
        break;
      }
      const job = { data: input, stage };
      const ran = await trial.run(job);
      const found = judge(ran);
      const { seen, output } = ran;
      report.ran(place, { found, output, ms: seen?.ms });
      if (output === undefined) break;
      durations.get(stage)?.push(seen?.ms ?? 0);
      if (!tried) for (const one of await tryHarder(trial, job, ran)) report.finding(place, one);
      input = output;
    }
    tried = true;
  }
  for (const [stage, times] of durations) {
    for (const one of judgeDurations(times)) report.finding({ stage }, one);
  }
}

/** Interrupts a job that has succeeded, and continues it from a checkpoint. */
async function tryHarder(trial, job, whole) {
  const found = [];
  if (whole.seen.calls > 0) found.push(...judgeStop(await trial.run(job, { stop: true })));
  const { checkpoints } = whole;
  if (checkpoints.length > 0) {
    const restored = checkpoints[Math.floor((checkpoints.length - 1) / 2)];
    const again = await trial.run(job);
    const continued = await trial.run({ ...job, restored });
    found.push(...judgeCheckpoint({ whole, again, continued }));
  }
  return found;
}

/** Prints what is found, for people or as JSON lines. */
class Report {
  #json;
  #errors = 0;
  #warnings = 0;
  #jobs = 0;
  /** The same finding is printed once. @type {Map<string, number>} */
  #known = new Map();

  /** @param {boolean} json */
  constructor(json) {
    this.#json = json;
  }

  ran({ line, stage }, { found, output, ms }) {
    this.#jobs += 1;
    if (!this.#json && output !== undefined) {
      const text = cut(JSON.stringify(output), 120);
      console.log(`line ${line}, stage ${stage}: ${milliseconds(ms)}, output ${text}`);
    }
    for (const one of found) this.finding({ line, stage }, one);
  }

  /**
   * @param {{ line?: number, stage?: string }} place
   * @param {import("./judge.js").Finding} finding
   */
  finding({ line, stage }, { level, message }) {
    if (level === "error") this.#errors += 1;
    else this.#warnings += 1;
    if (this.#json) {
      console.log(JSON.stringify({ level, line, stage, message }));
      return;
    }
    const key = `${stage} ${message}`;
    const times = (this.#known.get(key) ?? 0) + 1;
    this.#known.set(key, times);
    if (level === "warning" && times > 1) return;
    const place = [line && `line ${line}, `, stage && `stage ${stage}: `].filter(Boolean).join("");
    console.log(`${place}${level}: ${message.replaceAll("\n", "\n  ")}`);
  }

  /** The exit code. */
  end() {
    if (!this.#json) {
      const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
      console.log(
        `${count(this.#jobs, "job")} run: ${count(this.#errors, "error")}, ${count(this.#warnings, "warning")}.`,
      );
    }
    return this.#errors > 0 ? 1 : 0;
  }
}
