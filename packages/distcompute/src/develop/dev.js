// `distcompute dev`: the project for development. When a file of the page, the function or the kernel changes,
// the page is built again and open pages reload; a changed function begins the jobs anew.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { context } from "esbuild";

import { assets, explained, forBrowsers } from "../bundle.js";
import { messageOf } from "../failure.js";
import { startTracker } from "../tracker.js";
import { parts, wantsHelp } from "./build.js";
import { buildKernel, kernelSources } from "./kernel.js";
import { files, jobFiles, readConfig, requireProject } from "./project.js";
import { addresses, importFile, stopped } from "./start.js";

const usage = `Usage: distcompute dev

Serves the project in this folder for development, with a database of its own (${files.own}/dev). When the
function, the kernel or the page changes, the page is built again and open pages are reloaded. A changed
function begins the jobs anew, and pages that computed go on.`;

const folder = join(files.own, "dev");
const page = join(folder, "page");
const database = join(folder, "jobs.db");
const reload = fileURLToPath(new URL("page/reload.js", import.meta.url));

/** Editors write a file in several steps, in milliseconds. */
const settledMs = 100;

/** @param {string[]} args */
export async function dev(args) {
  if (wantsHelp(args, usage)) return 0;
  requireProject();
  const config = readConfig();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await buildKernel();
  const project = new Development(config);
  const changes = (index) => ({
    name: "changes",
    setup: ({ onEnd }) => onEnd((result) => project.built(index, result)),
  });
  const building = await Promise.all(
    parts(page).map((part, index) =>
      context({
        ...forBrowsers,
        ...part,
        minify: false,
        plugins: [assets, reloading, changes(index)],
      }),
    ),
  );
  const watching = watchKernel();
  try {
    await Promise.all(building.map((one) => one.watch()));
    await stopped({ stop: () => project.stop(), died: project.died });
  } finally {
    watching.abort();
    await Promise.all(building.map((one) => one.dispose()));
  }
  return 0;
}

/** Adds the script that reloads to the page's own. @type {import("esbuild").Plugin} */
const reloading = {
  name: "reload",
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\]page\.js$/ }, ({ path }) => {
      if (!path.endsWith(join(files.page, "page.js"))) return undefined;
      const contents = `${readFileSync(path, "utf8")}\nimport ${JSON.stringify(reload)};`;
      return { contents, loader: "js" };
    }),
};

/** What is served. */
class Development {
  #config;
  /** @type {Awaited<ReturnType<typeof startTracker>> | undefined} */
  #tracker;
  #port;
  #function = "";
  #version = 0;
  /** The parts that are built. */
  #whole = new Set();
  /** One change after the other. */
  #busy = Promise.resolve();
  /** @type {(error: unknown) => void} */
  #fail = () => {};
  /** Rejects when the tracker ends by itself. @type {Promise<never>} */
  died = new Promise((_, reject) => (this.#fail = reject));

  constructor(config) {
    this.#config = config;
    this.died.catch(() => {});
  }

  /**
   * @param {number} index of the part
   * @param {import("esbuild").BuildResult} result
   */
  built(index, result) {
    this.#busy = this.#busy.then(() => this.#update(index, result)).catch(this.#fail);
  }

  async #update(index, { errors }) {
    if (errors.length > 0) {
      this.#whole.delete(index);
      console.error(explained({ errors }, "The project"));
      return;
    }
    this.#whole.add(index);
    // The other part is being built, or is being corrected.
    if (this.#whole.size < 2) return;
    const code = readFileSync(join(page, "worker.js"));
    const hash = createHash("sha256").update(code).digest("hex");
    const isNew = hash !== this.#function;
    this.#function = hash;
    if (isNew) await this.#beginAnew();
    this.#version += 1;
    // What open pages look at.
    writeFileSync(join(page, "version.txt"), `${process.pid}-${this.#version}`);
    if (this.#version > 1) {
      const what = isNew
        ? "The function has changed: the jobs begin anew."
        : "The page has changed.";
      console.log(what);
    }
  }

  /** Results of the function before are not those of this one. */
  async #beginAnew() {
    await this.#tracker?.stop();
    for (const end of ["", "-wal", "-shm"]) rmSync(`${database}${end}`, { force: true });
    for (const { path, flag } of jobFiles()) await importFile(`sqlite:${database}`, path, flag);
    const { host, port } = this.#config.listen;
    const tracker = await startTracker({
      listen: { host, port: this.#port ?? port },
      folder: ".",
      args: [
        ...["--config", files.config, "--database", `sqlite:${database}`],
        ...["--files", `/volunteer=${page}`, "--volunteer-page", "/volunteer/", "--log", "warn"],
      ],
      onLine: (line) => console.error(line),
    });
    tracker.died.catch(this.#fail);
    if (!this.#tracker) console.log(addresses(tracker.localUrl, "/volunteer/"));
    this.#tracker = tracker;
    this.#port = Number(new URL(tracker.url).port);
  }

  async stop() {
    await this.#busy;
    await this.#tracker?.stop();
  }
}

/** Compiles the kernel when its sources change; esbuild notices what comes of it. */
function watchKernel() {
  const ended = new AbortController();
  let timer;
  let running = Promise.resolve();
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      running = running.then(buildKernel).catch((error) => console.error(messageOf(error)));
    }, settledMs);
  };
  for (const path of kernelSources) {
    if (existsSync(path)) watch(path, { recursive: true, signal: ended.signal }, changed);
  }
  ended.signal.addEventListener("abort", () => clearTimeout(timer));
  return ended;
}
