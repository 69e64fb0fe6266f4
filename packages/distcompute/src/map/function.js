// Bundles the owner's function with the worker script and the volunteer page, and checks that it can be
// loaded, before any volunteer sees it.

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { stop } from "esbuild";

import { bundle, named } from "../bundle.js";
import { Failure } from "../failure.js";
import { Worker } from "../threads/worker.js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The letters of the stages, in their order. */
const letters = ["a", "b", "c", "d", "e"];

/** How long the module may take to load, in milliseconds. */
const loadMs = 30_000;

/**
 * @typedef {object} Bundled
 * @property {string} hash of the function with everything it imports
 * @property {string[]} stages the letters of its stages
 * @property {string} worker the path of the worker script
 */

/**
 * Writes the volunteer page with the function's worker script to `folder`.
 *
 * @param {string} path of the function's module
 * @param {string} folder
 * @returns {Promise<Bundled>}
 */
export async function prepare(path, folder) {
  const module = resolve(path);
  if (!existsSync(module)) throw new Failure(`There is no file ${path}.`);
  mkdirSync(folder, { recursive: true });
  const probe = await bundled(module, { folder, name: "probe.js", code: probeCode });
  const stages = await stagesOf(probe, path);
  const worker = await bundled(module, { folder, name: "worker.js", code: workerCode });
  await bundle({
    entryPoints: { page: here("page/page.js") },
    outdir: folder,
    // The words of a language are a file of their own, which only its volunteers load.
    splitting: true,
    chunkNames: "page-[name]-[hash]",
    define: { STAGES: JSON.stringify([...stages].reverse()) },
  });
  for (const name of ["index.html", "page.css"])
    copyFileSync(here(`page/${name}`), join(folder, name));
  // The function loads them by `new URL("./name.wasm", import.meta.url)`.
  for (const name of readdirSync(dirname(module))) {
    if (extname(name) === ".wasm") copyFileSync(join(dirname(module), name), join(folder, name));
  }
  // Its process would outlive this one when that is killed.
  await stop();
  const code = readFileSync(worker);
  return { hash: createHash("sha256").update(code).digest("hex"), stages, worker };
}

/** The name by which our code imports the function. */
const given = "distcompute:function";

const workerCode = `
  import * as given from "${given}";
  import { work } from "distcompute-client";
  import { partsOf } from ${JSON.stringify(here("handler.js"))};
  work(partsOf(given));`;

/** Reports what the module exports. */
const probeCode = `
  import * as given from "${given}";
  const stages = given.stages;
  const isFunction = (value) => typeof value === "function";
  postMessage({
    isFunction: isFunction(given.default),
    setup: given.setup === undefined || isFunction(given.setup),
    stages: Object(stages) === stages ? Object.keys(stages).filter((key) => isFunction(stages[key])) : null,
    given: Object(stages) === stages ? Object.keys(stages) : null,
  });`;

async function bundled(module, { folder, name, code }) {
  const outfile = join(folder, name);
  await bundle({
    stdin: { contents: code, resolveDir: here("."), sourcefile: name },
    outfile,
    plugins: [named(given, module)],
    sourcemap: "inline",
    sourcesContent: false,
  });
  return outfile;
}

/** Loads the module in a thread that looks like a web worker. */
async function stagesOf(probe, path) {
  const worker = new Worker(pathToFileURL(probe));
  let timer;
  try {
    const found = await new Promise((resolve, reject) => {
      const fail = (message) => reject(new Failure(`${path} cannot be loaded: ${message}`));
      worker.addEventListener("message", (event) => resolve(/** @type {any} */ (event).data));
      worker.addEventListener("error", (event) => fail(/** @type {any} */ (event).message));
      timer = setTimeout(() => fail(`it did not end within ${loadMs / 1000} s.`), loadMs);
    });
    return checked(found, path);
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}

function checked({ isFunction, setup, stages, given }, path) {
  if (!setup) throw new Failure(`The export "setup" of ${path} is not a function.`);
  if (stages === null) {
    if (isFunction) return ["a"];
    throw new Failure(
      `${path} exports no function. Write "export default (input) => …", or "export const stages = ` +
        `{ a, b }" for several stages.`,
    );
  }
  const expected = letters.slice(0, stages.length);
  const isComplete = stages.length > 0 && given.length === stages.length;
  if (isComplete && expected.every((letter) => stages.includes(letter))) return expected;
  throw new Failure(
    `The export "stages" of ${path} must be an object of functions named a, b, … without a gap, at most ` +
      `${letters.length}. It contains: ${given.join(", ") || "nothing"}.`,
  );
}
