// The window in which one case runs, and what it gets there instead of the world: a clock that is
// wound on when nothing else happens, so that hours pass in a moment; a tracker that is good until
// told otherwise; and a package that nobody has used.

import { excused } from "./values.js";

const isWebKit = /AppleWebKit/.test(navigator.userAgent) && !/Chrom/.test(navigator.userAgent);

const [realTimeout, realNow] = [setTimeout.bind(window), performance.now.bind(performance)];
const realFetch = fetch.bind(window);

/** Does something after all that was to be done before. */
const later = (() => {
  const { port1, port2 } = new MessageChannel();
  const waiting = [];
  port1.onmessage = () => waiting.shift()();
  return (work) => {
    waiting.push(work);
    port2.postMessage(null);
  };
})();

/** Lets everything happen that is due. */
const hop = () => new Promise(later);

/** One end of a `Channel`. */
class End {
  #closed = false;

  /** `other` gives the other end. */
  constructor(other) {
    this.other = other;
  }

  postMessage(data) {
    later(() => !this.#closed && this.other().onmessage?.({ data }));
  }

  close() {
    this.#closed = this.other().#closed = true;
  }
}

/** A channel whose messages come in the order of all that happens: WebKit's come when they will. */
class Channel {
  port1 = new End(() => this.port2);
  port2 = new End(() => this.port1);
}

/** For what the browser does in its own time: storage. */
const pause = () => new Promise((resolve) => realTimeout(resolve, 1));

/** How long the browser may take for it. */
const patienceMs = 10_000;

/** And for a body: in WebKit those that break may never end. */
const bodyMs = 500;

/** The one lock of a world without other tabs, which is had in turns. */
class Locks {
  #held = false;
  #waiting = [];

  async request(name, ...rest) {
    const granted = rest.pop();
    const { ifAvailable, signal } = rest.pop() ?? {};
    if (this.#held && ifAvailable) return await granted(null);
    if (this.#held) {
      await new Promise((resolve, reject) => {
        this.#waiting.push(resolve);
        signal?.addEventListener("abort", () => {
          this.#waiting = this.#waiting.filter((waiting) => waiting !== resolve);
          reject(signal.reason);
        });
      });
    }
    this.#held = true;
    try {
      return await granted({ name });
    } finally {
      const next = this.#waiting.shift();
      // From hand to hand.
      if (next) next();
      else this.#held = false;
    }
  }

  async query() {
    return { held: [], pending: this.#waiting.map(() => ({})) };
  }
}

/** So often timers come in a case at most: several times a second for hours. */
const mostSteps = 40_000;

export class World {
  now = 1_000;
  #timers = new Map();
  #last = 0;
  #reading = new Set();
  #steps = 0;
  /** What nobody has caught. */
  complaints = [];

  constructor() {
    const world = this;
    const add = (work, ms, args, every) => {
      const wait = Math.max(1, Number(ms) || 0);
      world.#timers.set(++world.#last, { at: world.now + wait, work, args, every: every && wait });
      return world.#last;
    };
    const began = Date.UTC(2026, 0, 1);
    window.setTimeout = (work, ms, ...args) => add(work, ms, args, false);
    window.setInterval = (work, ms, ...args) => add(work, ms, args, true);
    window.clearTimeout = window.clearInterval = (id) => void world.#timers.delete(id);
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      const late = new DOMException("signal timed out", "TimeoutError");
      add(() => controller.abort(late), ms, [], false);
      return controller.signal;
    };
    performance.now = () => world.now;
    Date.now = () => began + world.now;
    window.MessageChannel = Channel;
    Object.defineProperty(navigator, "locks", { value: new Locks(), configurable: true });
    console.log = () => {};
    // Here the package says that it has panicked.
    console.error = (...said) => world.complain(said.join(" "));
    window.onerror = (message) => world.complain(message);
    window.onunhandledrejection = ({ reason }) =>
      (isWebKit && excused.has(reason)) || world.complain(`unhandled: ${said(reason)}`);
    // Bodies are read in the browser's own time, as a whole or part after part.
    for (const [{ prototype }, name] of [
      [Request, "text"],
      [Response, "text"],
      [ReadableStreamDefaultReader, "read"],
    ]) {
      const real = (prototype.real ??= prototype[name]);
      prototype[name] = async function () {
        world.#reading.add(this);
        try {
          return await real.call(this);
        } finally {
          world.#reading.delete(this);
        }
      };
    }
    window.reportError = (error) => world.complain(`reported: ${said(error)}`);
  }

  complain(what) {
    this.complaints.push(String(what));
  }

  /** What is due first of all, until `end`. */
  #next(end) {
    const due = [...this.#timers].reduce(
      (first, entry) => (first && first[1].at <= entry[1].at ? first : entry),
      undefined,
    );
    return due && due[1].at <= end ? due : undefined;
  }

  /** Lets what was promised to happen happen, and the next of what is due. */
  async #step(end) {
    let due;
    // One thing may lead to another, a few times over, before anything is due again.
    for (let hops = 0; hops < 5 && !due; hops += 1) {
      await hop();
      for (const late = realNow() + bodyMs; this.#reading.size > 0; await hop())
        if (realNow() > late) this.#reading.clear();
      due = this.#next(end);
    }
    if (!due) return false;
    this.#steps += 1;
    if (this.#steps > mostSteps) throw new Error("its timers come all the time");
    const [id, timer] = due;
    this.now = timer.at;
    if (timer.every) timer.at += timer.every;
    else this.#timers.delete(id);
    try {
      timer.work(...timer.args);
    } catch (thrown) {
      this.complain(`a timer: ${said(thrown)}`);
    }
    return true;
  }

  /** Until `test` gives something, for up to `ms` by this world's clock. */
  async until(test, ms) {
    const end = this.now + ms;
    do {
      const found = test();
      if (found) return found;
    } while (await this.#step(end));
    return test();
  }

  /** Until `test` gives something that the browser does in its own time. */
  async really(test) {
    for (const end = realNow() + patienceMs; realNow() < end; await pause()) {
      const found = test();
      if (found) return found;
    }
    return undefined;
  }

  /** Lets the event loop turn: a compute worker counts some turns before its first job. */
  async turns() {
    for (let turn = 0; turn < 200; turn += 1) await hop();
  }

  async pass(ms) {
    const end = this.now + ms;
    while (await this.#step(end));
    this.now = end;
    await hop();
  }

  /** What a call comes to within `ms`: `{ value }` or `{ thrown }`; undefined where to nothing. */
  async outcome(call, ms) {
    let outcome;
    try {
      const value = call();
      if (!(value instanceof Promise)) return { value };
      value.then(
        (value) => (outcome = { value }),
        (thrown) => (outcome = { thrown, later: true }),
      );
    } catch (thrown) {
      return { thrown };
    }
    await this.until(() => outcome, ms);
    // Storage takes its own time.
    return outcome ?? (await this.really(() => outcome));
  }
}

/** What a thrown value says of itself. */
export function said(thrown) {
  try {
    return `${thrown?.name}: ${thrown?.message ?? thrown}\n${thrown?.stack ?? ""}`;
  } catch {
    return "something that cannot be said";
  }
}

const files = {
  script: "/pkg/distcompute_client.js",
  wasm: "/pkg/distcompute_client_bg.wasm",
  types: "/pkg/index.d.ts",
};
let sources;

async function got(url) {
  const response = await realFetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

async function text(url) {
  return await (await got(url)).text();
}

/** The package's script as a text, and its wasm, compiled once. */
async function read() {
  const bytes = await (await got(files.wasm)).arrayBuffer();
  return { code: await text(files.script), compiled: await WebAssembly.compile(bytes) };
}

/** A module that nobody else has. */
async function fresh(code) {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const module = await import(url);
  URL.revokeObjectURL(url);
  return module;
}

/** The package as somebody has who has just loaded it: with a wasm and scripts of its own. */
export async function freshPackage() {
  sources ??= read();
  const { code, compiled } = await sources;
  const module = await fresh(code);
  await module.default({ module_or_path: compiled });
  return module;
}

/** What the package calls of storage. The package has it too, but does not hand it on. */
export const storage = () => import("/src/web/storage.js");

/** The codes that the package's types name. */
export async function knownCodes() {
  const [, union] = /type ErrorCode =([^;]*);/.exec(await text(files.types));
  return new Set(union.match(/\w+/g));
}

/** The name of a file without bytes, and a reference to it as a tracker hands it out. */
export const emptyFile = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const reference = { $file: emptyFile, bytes: 0, url: `api/files/${emptyFile}?until=1&signature=x` };

/** A tracker that believes everything and has work for everybody. */
export class Tracker {
  jobs = 0;
  /** The outputs that it has got. */
  done = [];

  constructor({ syncs, files } = {}) {
    this.syncs = syncs;
    this.files = files;
  }

  /** What a good answer holds: `json`, or `text`. */
  answer(path, body) {
    const call = /\/api\/(\w+)/.exec(path)?.[1];
    const file = this.files ? { file: reference } : {};
    const data = `<!json!>${JSON.stringify({ shard: this.jobs + 1, ...file })}`;
    switch (call) {
      case "new": {
        const worker = {
          ...{ token: "secret", display_name: "hematin-hanking-71" },
          ...{ project: "LAION-5B", stage_name: "Big GPU" },
        };
        if (!this.syncs) return { json: worker };
        const limits = { lease_s: 300, max_body: 1_000_000, app_version: "1" };
        return {
          json: { ...worker, extensions: this.files ? ["sync", "files"] : ["sync"], ...limits },
        };
      }
      case "sync": {
        const { done = [], want = 0 } = Object(body);
        this.done.push(...done.map(({ data }) => data));
        const jobs = Array.from({ length: Math.min(want, 4) }, () => {
          const number = ++this.jobs;
          return { number, data, lease: `${number}-lease`, lease_s: 300, attempt: 1 };
        });
        const accepted = done.map(({ lease }) => lease);
        const rest = { rejected: [], lost: [], open: 9, wait_s: 5, app_version: "1" };
        return { json: { jobs, accepted, ...rest } };
      }
      case "uploads":
        if (path.includes("finish")) return { json: { file: reference } };
        return {
          json: {
            upload: "u",
            part_bytes: 4,
            stored: [],
            parts: [{ number: 0, url: "api/uploads/x" }],
          },
        };
      case "files":
        return { text: "" };
      case "newJob":
        return { json: { number: ++this.jobs, data } };
      case "jobCount":
        return { text: "5" };
      case "validateWorker":
        return { text: "True" };
      case "completeJob":
        this.done.push(body?.data);
        return { text: "200 OK" };
      default:
        return { text: "200 OK" };
    }
  }

  /** Answers everything well. */
  async fetch(request) {
    const { json, text } = await this.good(request);
    return new Response(text ?? JSON.stringify(json));
  }

  async good(request) {
    const body = request.method === "POST" ? JSON.parse(await request.text()) : undefined;
    return this.answer(request.url, body);
  }
}
