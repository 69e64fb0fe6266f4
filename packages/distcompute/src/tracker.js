// The tracker: finding its program, starting it, and its calls for operators.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { constants } from "node:os";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Failure, messageOf } from "./failure.js";

const program = "distcompute-tracker";

/** Where Cargo puts the program, if this file is in a checkout of the repository. */
const builds = ["release", "serve", "debug"].map((profile) => `../../../target/${profile}/`);

/**
 * The path or the name of the tracker's program: the one that the environment names; that of the optional
 * dependency for this kind of machine; one that was built in this checkout; and otherwise the one on the PATH.
 */
export function findTracker(env = process.env) {
  const given = env.DISTCOMPUTE_TRACKER_PROGRAM;
  if (given) {
    if (existsSync(given)) return resolve(given);
    throw new Failure(`DISTCOMPUTE_TRACKER_PROGRAM names ${given}, which does not exist.`);
  }
  const file = process.platform === "win32" ? `${program}.exe` : program;
  const name = `@distcompute/tracker-${process.platform}-${process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/${file}`);
  } catch {
    // Not installed, or not available for this kind of machine.
  }
  const built = builds.map((folder) => fileURLToPath(new URL(folder + file, import.meta.url)));
  return built.find((path) => existsSync(path)) ?? program;
}

/** Why the program at `path` did not start. */
function notStarted(path, error) {
  const { code } = /** @type {NodeJS.ErrnoException} */ (error);
  if (code !== "ENOENT") return new Failure(messageOf(error));
  return new Failure(
    `The tracker's program ${path} was not found. Install it with \`cargo install distcompute-tracker\`, or set ` +
      "DISTCOMPUTE_TRACKER_PROGRAM to its path.",
  );
}

/**
 * Runs the tracker's program to its end.
 *
 * @param {string[]} args
 * @returns {Promise<{ code: number | null, output: string, errors: string }>}
 */
export function callTracker(args) {
  const path = findTracker();
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { output: "", errors: "" };
    child.stdout.setEncoding("utf8").on("data", (text) => (said.output += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (said.errors += text));
    child.once("error", (error) => reject(notStarted(path, error)));
    child.once("close", (code) => resolve({ code, ...said }));
  });
}

/**
 * Runs the tracker's program in this terminal. Resolves to its exit code.
 *
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export async function runTracker(args) {
  const path = findTracker();
  const child = spawn(path, args, { stdio: "inherit" });
  // The terminal sends Ctrl-C to both, and this process has to wait for the other.
  const ignore = () => {};
  const pass = (signal) => child.kill(signal);
  process.on("SIGINT", ignore).on("SIGTERM", pass).on("SIGHUP", pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once("exit", (code, signal) =>
        resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]),
      );
      child.once("error", (error) => reject(notStarted(path, error)));
    });
  } finally {
    process.off("SIGINT", ignore).off("SIGTERM", pass).off("SIGHUP", pass);
  }
}

/** The first free port from `port` on. */
async function freePort(host, port) {
  for (let one = port; one < port + 100 && one < 65_536; one += 1) {
    if (await isFree(host, one)) return one;
  }
  throw new Failure(
    `No port from ${port} on is free on ${host}. Choose another one with --listen.`,
  );
}

/** Whether a server could listen there now. */
export async function isFree(host, port) {
  const server = createServer();
  try {
    await new Promise((resolve, reject) => {
      server
        .once("error", reject)
        .listen({ host, port, exclusive: true }, () => resolve(undefined));
    });
    return true;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "EADDRINUSE" || code === "EACCES") return false;
    throw new Failure(`Cannot listen on ${host}: ${messageOf(error)}`);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** The address for a listener at the first free port. @param {{ host: string, port: number }} listen */
async function addressAt({ host, port }) {
  return `${host.includes(":") ? `[${host}]` : host}:${await freePort(host, port)}`;
}

function withoutSettings() {
  const entries = Object.entries(process.env);
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith("DISTCOMPUTE_")));
}

/**
 * Starts a tracker.
 *
 * @param {object} wanted
 * @param {{ host: string, port: number }} [wanted.listen] there or at the next free port; without it, where its
 *   configuration says
 * @param {string} wanted.folder the one that its arguments are relative to
 * @param {string[]} wanted.args the arguments of `serve` except for the address
 * @param {NodeJS.ProcessEnv} [wanted.env] by default without what is set for other trackers
 * @param {(line: string) => void} [wanted.onLine] receives its log, which errors do not repeat then
 */
export async function startTracker({ listen, folder, args, env = withoutSettings(), onLine }) {
  const at = listen ? ["--listen", await addressAt(listen)] : [];
  const path = findTracker();
  // A group of its own: Ctrl-C in the terminal must not end it before the volunteers.
  const child = spawn(path, ["serve", ...at, ...args], {
    detached: true,
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  // It ends with this process, unless that is killed.
  const end = () => void child.kill("SIGTERM");
  process.once("exit", end);
  const said = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    onLine?.(line);
    said.push(line);
    if (said.length > 20) said.shift();
  });
  // Not at "exit": what it said may still be on its way.
  const exited = new Promise((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal)),
  );
  const ended = (code) =>
    new Failure([`The tracker ended with ${code}.`, ...(onLine ? [] : said)].join("\n"));
  const url = await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(notStarted(path, error)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /^listening on (http:\/\/\S+?)\/?$/.exec(line)?.[1];
      if (found) resolve(found);
    });
    exited.then((code) => reject(ended(code)));
  });
  let stopping = false;
  const died = exited.then((code) => {
    if (!stopping) throw ended(code);
  });
  died.catch(() => {});
  return {
    /** Where it listens, for others. @type {string} */
    url,
    /** Its address for this machine: an address that stands for all interfaces cannot be called everywhere. */
    localUrl: url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]"),
    pid: child.pid,
    /** Rejects when the tracker ends by itself. */
    died,
    async stop() {
      stopping = true;
      end();
      await exited;
      process.off("exit", end);
    },
  };
}

/** A call that was not answered: the tracker may have received it, or not. */
export class Unanswered extends Failure {}

/** Answers of a tracker, or of a proxy before it, that is overloaded or being restarted. */
const temporary = [429, 502, 503, 504];

/** How long to wait before another attempt, in milliseconds: twice as long each time. */
const wait = { first: 500, most: 30_000 };

/** The operator's calls. */
export class Operator {
  #url;
  #headers;
  #patient;

  /**
   * @param {string} url the tracker's address
   * @param {string} token the admin token
   * @param {{ patient?: boolean }} [options] `patient`: a call that is not answered is repeated until it is; except
   *   for `addJobs`, which would add them twice
   */
  constructor(url, token, { patient = false } = {}) {
    this.#url = url.replace(/\/$/, "");
    this.#headers = { authorization: `Bearer ${token}` };
    this.#patient = patient;
  }

  get isPatient() {
    return this.#patient;
  }

  async #call(path, init = {}) {
    for (let ms = wait.first; ; ms = Math.min(2 * ms, wait.most)) {
      try {
        return await this.#callOnce(path, init);
      } catch (error) {
        if (!(this.#patient && error instanceof Unanswered)) throw error;
        await sleep(ms);
      }
    }
  }

  async #callOnce(path, init = {}) {
    let response;
    try {
      response = await fetch(this.#url + path, {
        ...init,
        headers: { ...init.headers, ...this.#headers },
        redirect: "error",
      });
    } catch (error) {
      const cause = /** @type {any} */ (error).cause;
      throw new Unanswered(
        `The tracker at ${this.#url} does not answer: ${messageOf(cause ?? error)}`,
      );
    }
    if (response.ok) return response;
    const Kind = temporary.includes(response.status) ? Unanswered : Failure;
    throw new Kind(`The tracker refused ${path} (${response.status}): ${await response.text()}`);
  }

  /** The counters of all stages. */
  async status() {
    return await (await this.#call("/api/status")).json();
  }

  /**
   * Adds a job for each line. Rejects with `Unanswered` if it is not known whether they were added.
   *
   * @param {string[]} lines
   * @returns {Promise<{ added: number, numbers: { first: number, last: number }[] }>}
   */
  async addJobs(lines) {
    const body = `${lines.join("\n")}\n`;
    const response = await this.#callOnce("/api/jobs", { method: "POST", body });
    try {
      return await response.json();
    } catch (error) {
      throw new Unanswered(`The tracker's answer broke off: ${messageOf(error)}`);
    }
  }

  /**
   * Outputs of a stage in the order in which they were made.
   *
   * @param {string} stage
   * @param {{ after?: number, numbers?: number[] }} which
   * @returns {AsyncGenerator<{ cursor: number, number: number, data: string }>}
   */
  async *results(stage, { after = 0, numbers }) {
    const query = numbers ? `numbers=${numbers}` : `after=${after}&limit=1000`;
    const response = await this.#call(`/api/results?stage=${stage}&${query}`);
    if (!response.body) return;
    try {
      for await (const line of linesOf(response.body)) yield JSON.parse(line);
    } catch (error) {
      // The next call continues where this answer broke off.
      if (!this.#patient || !(error instanceof TypeError)) throw error;
    }
  }

  /**
   * Ends the workers of a nickname, and takes their jobs back with nothing counted against them.
   *
   * @param {string} nickname
   */
  async endWorkers(nickname) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ nickname });
    await this.#call("/api/endWorkers", { method: "POST", headers, body });
  }

  /**
   * Discards the latest results of jobs, so that they are computed again.
   *
   * @param {number[]} numbers
   */
  async requeue(numbers) {
    const headers = { "content-type": "application/json" };
    // Without a filter on results, a job that is set aside would stay at its stage.
    const body = JSON.stringify({ numbers, since: "1970-01-01" });
    await this.#call("/api/requeue", { method: "POST", headers, body });
  }

  /**
   * Jobs that failed for good, in the order of their numbers.
   *
   * @param {number} from the first number
   * @returns {Promise<{ number: number, stage: string, input: string, reason: string,
   *   errors: { nickname: string, error: string }[] }[]>}
   */
  async setAside(from) {
    return (await (await this.#call(`/api/setAside?from=${from}`)).json()).jobs;
  }
}

async function* linesOf(stream) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  // A truncated response ends in the middle of a line: the next request begins with it.
}
