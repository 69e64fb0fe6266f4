// `distcompute work`: computes for a project without a browser.

import { fork } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Failure, messageOf } from "../failure.js";
import { lockFolder } from "../folder.js";
import { LiveLine } from "../live-line.js";
import { findProject, workerOf } from "../project.js";
import { onSignals } from "../signals.js";
import { keyOf, thumbprint } from "./key.js";
import { readOptions, usage } from "./options.js";
import { passedOn, permissions } from "./permissions.js";
import { isFinal, printable, reasonOf, statusLine } from "./report.js";
import { Script } from "./script.js";
import { trustFile, trustedHosts } from "./trust.js";

/** How often a line is printed where there is no terminal, in milliseconds. */
const logMs = 60_000;

/** The rate is that of so many milliseconds. */
const windowMs = 10_000;

/** @param {string[]} args */
export async function work(args) {
  const options = readOptions(args);
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const folder = resolve(options.state);
  if (options.showKey) {
    console.log(thumbprint(keyOf(folder)));
    return 0;
  }
  const project = await findProject(options.url);
  const stages = options.stages ?? project.stages;
  const unknown = stages.find((stage) => !project.stages.includes(stage));
  if (unknown) {
    throw new Failure(
      `The project has no stage ${unknown}. Its stages: ${project.stages.join(", ")}.`,
    );
  }
  const worker = workerOf(project, options.worker);
  const trusted = await trustedHosts({
    host: worker.host,
    given: options.trusted,
    file: trustFile(),
  });
  const unlock = lockFolder(folder);
  try {
    const script = new Script({ url: worker, trusted, folder });
    // A script that cannot be loaded is an error now, and not of each thread.
    await script.latest();
    const wanted = {
      url: project.url,
      stages,
      nickname: options.nickname,
      joinKey: options.joinKey,
      cores: options.cores,
      intensity: options.intensity,
      location: worker.href,
      storage: join(folder, "storage"),
      files: join(folder, "files"),
      key: keyOf(folder),
    };
    mkdirSync(wanted.files, { recursive: true, mode: 0o700 });
    return await compute({ folder, script, wanted, name: project.name });
  } finally {
    unlock();
  }
}

/** Runs the process that computes until it ends. Resolves to the exit code. */
async function compute({ folder, script, wanted, name }) {
  const live = new LiveLine(process.stderr, logMs);
  const flags = permissions(folder);
  if (flags.length === 0) {
    live.print("This Node has no permission model: the project's code has all your rights.");
  }
  const child = fork(fileURLToPath(new URL("confined.js", import.meta.url)), [], {
    cwd: folder,
    env: passedOn(process.env),
    execArgv: flags,
    // Nothing but its messages reaches the terminal, and that as printable text.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
    // A group of its own: Ctrl-C in the terminal must not reach it twice.
    detached: true,
  });
  process.once("exit", () => child.kill("SIGKILL"));
  for (const stream of [child.stdout, child.stderr]) {
    if (stream)
      createInterface({ input: stream }).on("line", (line) => live.print(printable(line)));
  }
  const answer = (message) => child.connected && child.send(message);
  let isAtOnce = false;
  const ignore = onSignals((isFirst) => {
    if (isFirst) {
      live.print("Finishing the running jobs. Press Ctrl-C again to stop at once.");
      answer({ t: "finish" });
    } else if (!isAtOnce) {
      isAtOnce = true;
      answer({ t: "stop" });
    } else {
      child.kill("SIGKILL");
    }
  });
  const shown = new Shown(live);
  let failure;
  let isEnded = false;
  child.on("message", (/** @type {any} */ message) => {
    if (message.t === "ended") isEnded = true;
    if (message.t === "script") {
      script.latest().then(
        (path) => answer({ t: "script", id: message.id, path }),
        (error) => answer({ t: "script", id: message.id, message: messageOf(error) }),
      );
    }
    if (message.t === "status") {
      shown.show(message.status);
      if (!failure && isFinal(message.status)) {
        failure = new Failure(printable(message.status.error.message));
        answer({ t: "stop" });
      }
    }
  });
  live.print(`Working for ${printable(name)} at ${wanted.url}, with ${wanted.cores} cores.`);
  live.print(`The key of this volunteer: ${thumbprint(wanted.key)}`);
  answer({ t: "start", ...wanted });
  const code = await new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal));
    child.once("error", (error) => resolve(messageOf(error)));
  });
  live.clear();
  ignore();
  if (failure) throw failure;
  if (isAtOnce) return 130;
  if (code !== 0 || !isEnded) throw new Failure(`The process that computes ended with ${code}.`);
  shown.summarize();
  return 0;
}

/** Shows a status: a line on a terminal, and otherwise a line for each change and now and then one with figures. */
class Shown {
  #live;
  #seen = [];
  #reason;
  #status;

  /** @param {LiveLine} live */
  constructor(live) {
    this.#live = live;
  }

  show(status) {
    this.#status = status;
    const now = performance.now();
    this.#seen.push({ at: now, done: status.jobsDone });
    while (now - this.#seen[0].at > windowMs) this.#seen.shift();
    const [first] = this.#seen;
    const seconds = (now - first.at) / 1000;
    const perSecond = seconds > 0.2 ? (status.jobsDone - first.done) / seconds : 0;
    const reason = reasonOf(status);
    if (!process.stderr.isTTY && reason !== this.#reason) this.#live.print(reason);
    this.#reason = reason;
    this.#live.show(statusLine(status, perSecond), now);
  }

  /** Prints what was done in all. */
  summarize() {
    const { jobsDone = 0, jobsFailed = 0 } = this.#status ?? {};
    this.#live.print(`Stopped: ${jobsDone} jobs done, ${jobsFailed} failed.`);
  }
}
