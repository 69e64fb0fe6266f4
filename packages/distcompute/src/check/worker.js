// The worker under trial: loads the owner's script, and runs jobs by `runJob`. Bundled with it.

import loadWasm, { runJob } from "distcompute-client";

import { partsOf } from "../map/handler.js";
import { captured } from "./captured.js";
import { watched } from "./watched.js";

/**
 * @param {() => Promise<Record<string, any>>} load imports the owner's script
 */
export async function begin(load) {
  let script;
  try {
    await loadWasm();
    script = scriptOf(await load());
  } catch (error) {
    const message = error instanceof ScriptError ? error.message : account(error);
    postMessage({ t: "unloadable", message });
    return;
  }
  const { kind, stages } = script;
  addEventListener("message", ({ data }) => {
    if (data?.t === "run") run(script, data);
  });
  postMessage({ t: "loaded", kind, stages });
}

/** What is wrong with a script that was loaded. */
class ScriptError extends Error {}

/** What the script is: a worker script, or a function as `distcompute map` takes it. */
function scriptOf(module) {
  const calls = captured.length;
  if (calls === 1) {
    const [parts] = captured;
    let ready;
    const setup = () => (ready ??= /** @type {any} */ (parts).setup?.call(parts));
    return { kind: "worker", parts, setup };
  }
  if (calls > 1) throw new ScriptError(`The script calls work() ${calls} times. Call it once.`);
  const { stages } = module;
  if (typeof module.default !== "function" && Object(stages) !== stages) {
    throw new ScriptError(
      "The script neither calls work() nor exports a function: write work((job) => …), or " +
        "export default (input) => …",
    );
  }
  const parts = partsOf(module);
  let ready;
  const setup = () => (ready ??= parts.setup());
  return { kind: "function", stages: stages ? Object.keys(stages) : ["a"], parts, setup };
}

/** The files that jobs have put, for the stages after them. @type {Record<string, Blob>} */
const files = {};

/** Runs one job, and reports what came of it. */
async function run({ kind, parts, setup }, { id, job, stop }) {
  const onProgress = (done, total) => postMessage({ t: "progress", id, done, total });
  const { parts: observed, seen } = watched(parts, { setup, stop, onProgress });
  // What `distcompute map` wraps, because a job's data cannot be a number.
  const data = kind === "function" ? [job.data] : job.data;
  try {
    const ran = await runJob(/** @type {any} */ (observed), { ...job, data, files });
    Object.assign(files, ran.files);
    const text = ran.output === undefined ? "" : JSON.stringify(ran.output);
    const output = kind === "function" ? ran.output?.[0] : ran.output;
    const { failure, checkpoints } = ran;
    const bytes = new TextEncoder().encode(text).length;
    postMessage({ t: "ran", id, ran: { output, failure, checkpoints, bytes, seen } });
  } catch (error) {
    const refused = String(/** @type {any} */ (error)?.message ?? error);
    postMessage({ t: "ran", id, ran: { refused, seen } });
  }
}

/** An error's stack, which has its message in it or not, depending on the browser. */
function account(error) {
  const { message, stack } = Object(error);
  const text = String(message ?? error);
  return typeof stack === "string" && stack.includes(text) ? stack : [text, stack ?? ""].join("\n");
}
