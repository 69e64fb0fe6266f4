// The thread of a worker, on which the owner's code runs: `work`, the calls of the owner's functions and the
// context that a handler gets, the workers that the owner's code starts, and the signals that reach a thread
// whose event loop is blocked. What follows from all that is decided by the engine, which compute.rs and the
// folder hub drive.

import {
  isError,
  isLoaded,
  isWorker,
  loaded,
  makeError,
  now,
  sha256,
  tellPage,
  whenLoaded,
} from "./bindings.js";
import { isFileType, mayRefer } from "./output.js";
import { Draft } from "./storage.js";

// The workers that the owner's code starts in a compute worker. What they use of a core cannot be measured from
// outside, only that they are there.

let alive = 0;
let counts = false;

/** Counts the workers that are started from now on, and not terminated. */
export function countNested() {
  const { Worker } = globalThis;
  if (counts || typeof Worker !== "function") return;
  counts = true;
  const construct = (target, given, newTarget) => {
    const worker = Reflect.construct(target, given, newTarget);
    let ended = false;
    alive += 1;
    worker.terminate = () => {
      if (!ended) alive -= 1;
      ended = true;
      target.prototype.terminate.call(worker);
    };
    return worker;
  };
  try {
    globalThis.Worker = new Proxy(Worker, { construct });
  } catch {
    // Where it cannot be replaced, nothing is known of them.
  }
}

export const hasNested = () => alive > 0;

// Out-of-band signals, as a worker reads them: see signals.rs.

/** `count` slots of five blob URLs each; none, where the browser makes none. */
export function makeSlots(count) {
  try {
    const blob = new Blob(["1"]);
    const url = () => URL.createObjectURL(blob);
    return Array.from({ length: count }, () => Array.from({ length: 5 }, url));
  } catch {
    return [];
  }
}

export function revoke(url) {
  URL.revokeObjectURL(url);
}

/** The signals in these slots, of which those that were used are removed. */
export function readSignals(slots) {
  const signals = [];
  while (slots.length > 0 && isRevoked(slots[0][0])) {
    const [, ...bits] = slots.shift();
    const signal = bits.reduce((sum, url, bit) => sum + (Number(isRevoked(url)) << bit), 0);
    // All bits: the hub that made them is gone, or the page's security policy forbids to read them.
    if (signal === 15) slots.length = 0;
    else signals.push(signal);
  }
  return signals;
}

/** Whether a blob URL has been revoked: the one change that a blocked worker can observe. */
function isRevoked(url) {
  try {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    return request.status !== 200;
  } catch {
    return true;
  }
}

let memory;

/** Sleeps without giving the thread up. Whether that is possible here. */
export function sleep(ms) {
  try {
    // Shared memory of WebAssembly is there without COOP and COEP, a SharedArrayBuffer is not.
    memory ??= new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return Atomics.wait(new Int32Array(memory.buffer), 0, 0, ms) === "timed-out";
  } catch {
    return false;
  }
}

// Calls of the owner's functions, which may throw or call back.

/** So many turns of the event loop show whether a thread is free. */
const manyTurns = 20;

function isPlain(done, total, text) {
  return (
    Number.isFinite(done) &&
    done >= 0 &&
    Number.isFinite(total) &&
    total >= 0 &&
    (text === undefined || (typeof text === "string" && !text.includes("\0")))
  );
}

/** The errors by which handlers were told to stop: no code of the owner's needs to catch them. */
const aborts = new WeakSet();

const isAbort = (thrown) => Object(thrown) === thrown && aborts.has(thrown);

/** Has the messages at a port delivered. Those that are none arrive as an object without fields. */
export function receive(port, hear) {
  port.onmessage = ({ data }) => hear(Object(data));
}

/** How many milliseconds some turns of the event loop take. */
export async function turns() {
  const { port1, port2 } = new MessageChannel();
  const begun = now();
  for (let turn = 0; turn < manyTurns; turn += 1) {
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  }
  port1.close();
  return now() - begun;
}

/** Whether WebAssembly has trapped. */
export function isTrap(thrown) {
  try {
    return thrown instanceof WebAssembly.RuntimeError;
  } catch {
    return false;
  }
}

/** The owner's functions, and the way back to the driver. */
export class Owner {
  parts;
  /** What `setup` returned. */
  setup;
  /** The run of the latest job. */
  run;
  #bell = new MessageChannel();

  /**
   * `calls` are the functions of the driver: `look(done, total, text)` returns when it wants to be
   * called again; `save(state)`, `put(name, bytes, type, blob)`, `ready()`, `flag(reason)`, `isPaused()`, `uncaught()` and `tick()`.
   */
  constructor(parts, calls) {
    this.parts = parts;
    this.calls = calls;
    this.#bell.port1.onmessage = () => calls.tick();
    this.#catchAborts();
  }

  /** Calls `tick` once the messages that have come are delivered, which no timer does as fast. */
  ring() {
    this.#bell.port2.postMessage(null);
  }

  async setUp() {
    const { owner, setup } = this.parts;
    this.setup = await setup?.call(owner);
  }

  /**
   * A handler may be told to stop where no code catches it: in a timer, or in what an engine calls
   * back. That is neither an error of the worker nor a failure of the job, which is given back.
   */
  #catchAborts() {
    const swallow = (event, thrown) => {
      if (!isAbort(thrown)) return;
      event.preventDefault();
      if (thrown === this.run?.reason && !this.run.over) this.calls.uncaught();
    };
    addEventListener("error", (event) => swallow(event, event.error));
    addEventListener("unhandledrejection", (event) => swallow(event, event.reason));
  }
}

let knowsRestored = false;

/** A former name still works, and says once in each thread that it is one. */
function readResume(state) {
  if (!knowsRestored) console.warn("distcompute: context.resume is context.restored now.");
  knowsRestored = true;
  return state;
}

/** What is a text, or, after the mark, JSON. */
function parsed(mark, text) {
  if (!text?.startsWith(mark)) return text;
  const json = text.slice(mark.length);
  return mayRefer(json) ? JSON.parse(json, withoutAddress) : JSON.parse(json);
}

/**
 * A value of JSON; a reference to a file without the address that the tracker has given it. It expires, and two
 * volunteers who hand the reference on would hand in different results.
 */
function withoutAddress(_, value) {
  const url = value?.$file && value.url;
  if (/(^|\/)api\/files\/sha256-[0-9a-f]{64}\?.*signature=/.test(url)) delete value.url;
  return value;
}

// Files of jobs: what handlers read and put.

const ofArgument = (message) => makeError("InvalidArgumentError", "invalid_argument", message);

/** The file of a job that a reference names, as a blob. */
async function readFile(files, reference) {
  const { $file, type = "application/octet-stream" } = Object(reference);
  if (typeof $file !== "string") {
    throw ofArgument(
      "file() takes a reference to a file: an object with $file, of the job's data.",
    );
  }
  // What the input calls `toString` is no file.
  const blob = Object.hasOwn(files, $file) ? files[$file] : undefined;
  if (!(blob instanceof Blob)) {
    const message = `The input of this job names no file ${$file} that has an address.`;
    throw makeError("FileError", "file_unknown", message);
  }
  return blob.slice(0, blob.size, String(type));
}

/** So many bytes of a blob are read at a time. */
const pieceBytes = 1_048_576;

/** What has at most so many bytes is hashed at once. */
const wholeBytes = 16_777_216;

/** What there is to read of a blob, piece by piece. */
async function* pieces(blob) {
  for (let at = 0; at < blob.size; at += pieceBytes) {
    yield new Uint8Array(await blob.slice(at, at + pieceBytes).arrayBuffer());
  }
}

/** The same of a stream, which is cancelled where nobody reads on. */
async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value instanceof ArrayBuffer) yield new Uint8Array(value);
      else if (value instanceof Uint8Array) yield value;
      else throw ofArgument("put() takes streams of bytes: each piece must be a Uint8Array.");
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The bytes that a handler puts, as a blob, the name of the file, and the draft of which the blob is, if there is one. */
async function readBytes(data) {
  const hash = loaded("put").hasher();
  if (data instanceof ReadableStream) {
    const draft = new Draft();
    try {
      for await (const chunk of chunks(data)) {
        hash(chunk);
        await draft.write(chunk);
      }
      return { blob: await draft.blob(), name: hash(), draft };
    } catch (thrown) {
      draft.drop();
      throw thrown;
    }
  }
  const isText = typeof data === "string";
  if (isText && /\p{Cs}/u.test(data)) {
    throw ofArgument(
      "put() was given half a character (a lone surrogate), which UTF-8 cannot hold.",
    );
  }
  const isBytes = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  if (!(isText || isBytes || data instanceof Blob)) {
    throw ofArgument(
      "put() takes a Blob, a ReadableStream, an ArrayBuffer, a typed array or a text.",
    );
  }
  const blob = data instanceof Blob ? data : new Blob([/** @type {BlobPart} */ (data)]);
  if (blob.size <= wholeBytes) {
    // Taken at once, as the blob is: the owner may write into them again.
    const name = await sha256(isBytes ? data : await blob.arrayBuffer());
    if (name !== undefined) return { blob, name };
  }
  for await (const piece of pieces(blob)) hash(piece);
  return { blob, name: hash() };
}

/** What a handler puts: its bytes, the name of the file, and its type. */
async function readPut(data, options) {
  try {
    const { type = data?.type || undefined } = Object(options);
    if (type !== undefined && !(typeof type === "string" && isFileType(type))) {
      const what = "a text such as image/png, of at most 127 ASCII characters";
      throw ofArgument(`put(): the type must be ${what}.`);
    }
    return { ...(await readBytes(data)), type };
  } catch (thrown) {
    // What was given may throw anything.
    if (isError(thrown) && thrown.code === "invalid_argument") throw thrown;
    if (thrown === Draft.full) {
      const message = "There is no room for what was put: storage is full, or does not answer.";
      throw makeError("FileError", "file_no_room", message);
    }
    const why = isError(thrown) ? thrown.message : "it throws";
    const message = `put() could not read what it was given: ${why}`;
    throw makeError("InvalidArgumentError", "invalid_argument", message, undefined, thrown);
  }
}

/** Keeps what a handler puts, by `keep(name, bytes, type, blob)`, and resolves to the reference to it. */
async function putFile(keep, data, options) {
  const { blob, name, type, draft } = await readPut(data, options);
  const $file = `sha256-${name}`;
  try {
    await keep($file, blob.size, type, blob);
  } catch (thrown) {
    draft?.drop();
    throw thrown;
  }
  draft?.settle($file);
  return type === undefined ? { $file, bytes: blob.size } : { $file, bytes: blob.size, type };
}

/** A job under way. */
export class Run {
  /** Until when `progress` need not be handled. */
  #due = -Infinity;
  #controller;
  /** Who waits in `ready`. */
  #waiters = [];
  #owner;
  #job;
  #context;
  over = false;
  /** The handler has returned a promise: its thread is free while it waits. */
  isAsync = false;
  /** Why the job was stopped: an AbortError. */
  reason;

  /** Throws where what follows `mark` in the data should be JSON and is not. */
  constructor(owner, mark, number, attempt, text, stage, stageName, project, restored, files) {
    const run = this;
    const { calls } = owner;
    const data = parsed(mark, text);
    owner.run = run;
    this.#owner = owner;
    this.#job = { id: number, data, attempt, stage };
    // A job can be cloned, which a function cannot.
    const file = (reference) => readFile(Object(files), reference);
    Object.defineProperty(this.#job, "file", { value: file });
    this.#context = {
      progress(done, total, text) {
        // What comes after the job has ended is nobody's progress.
        if (run.over) return;
        if (!isPlain(done, total, text)) {
          const message = "progress takes two numbers, 0 or more, and a text without U+0000.";
          throw makeError("InvalidArgumentError", "invalid_argument", message);
        }
        // A handler may call this a million times a second. The driver has said until when nothing is
        // due, and only the last call before that counts, so most calls stop here.
        if (now() < run.#due) return;
        run.#due = calls.look(done, total, text);
        if (run.reason) throw run.reason;
      },
      get paused() {
        return calls.isPaused();
      },
      ready: () =>
        new Promise((resolve, reject) => {
          run.#waiters.push({ resolve, reject });
          if (run.over || run.reason) run.wake();
          else calls.ready();
        }),
      get signal() {
        if (!run.#controller) {
          run.#controller = new AbortController();
          if (run.reason) run.#controller.abort(run.reason);
        }
        return run.#controller.signal;
      },
      invalid(reason) {
        const flaw = typeof reason === "string" ? reason : "the handler found it invalid";
        if (!run.over) calls.flag(flaw);
        throw new Error(flaw);
      },
      async put(data, options) {
        const keep = (name, bytes, type, blob) => {
          if (run.over || run.reason) throw run.reason ?? run.ended();
          return calls.put(name, bytes, type, blob);
        };
        return await putFile(keep, data, options);
      },
      checkpoint(state) {
        if (!run.over) calls.save(state);
      },
      restored,
      get resume() {
        return readResume(restored);
      },
      setup: owner.setup,
      stage,
      stageName,
      project,
    };
  }

  /** Calls the handler: its output, or a promise of it if `isAsync` is true then. */
  call() {
    const { owner, handler } = this.#owner.parts;
    const output = handler.call(owner, this.#job, this.#context);
    if (typeof output?.then !== "function") return output;
    this.isAsync = true;
    // `resolve(output)` never settles in WebKit where a promise's `constructor` throws.
    return new Promise((resolve, reject) => output.then(resolve, reject));
  }

  stop() {
    const message = "The job shall stop: let this error pass.";
    this.reason ??= makeError("AbortError", "aborted", message);
    aborts.add(this.reason);
    this.#due = -Infinity;
    this.#controller?.abort(this.reason);
  }

  /** What a call is told that comes after the job has ended. */
  ended() {
    return makeError("AbortError", "aborted", "The job has ended.");
  }

  end() {
    this.over = true;
    this.wake();
  }

  /** Lets the handler go on where it waits in `ready`. */
  wake() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve, reject } of waiters) {
      if (this.reason) reject(this.reason);
      else resolve();
    }
  }
}

// `work` as the owner's script calls it.

/** The owner's functions and their `this`; undefined where they are none. */
function read(parts) {
  if (typeof parts === "function") return { handler: parts };
  try {
    const { setup, handler } = parts;
    const fits = [handler, setup ?? handler].every((given) => typeof given === "function");
    return fits ? { owner: parts, setup, handler } : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with the names in the argument, as the rules see it once they are loaded. */
const misspelt = (given) => (isLoaded() ? loaded("work").misspelt(given) : undefined);

const wants = "takes a function, or an object { setup?, handler } of functions";

let called = false;

/**
 * Becomes what the page says: the hub, or a worker that computes. That may be before the wasm is
 * there: then `adopt` loads it, given what the page has sent of it, and the page's messages wait.
 *
 * Without `adopt` the owner's script has to load it. The page is then told that this worker is ready
 * when it is, because it ends workers that do not answer.
 */
export function begin(given, adopt) {
  const parts = read(given);
  const wrong = !isWorker()
    ? "work() is for the script of a dedicated worker, which a Volunteer's spawn() starts."
    : (misspelt(given) ??
      (parts ? called && "work() was called before in this worker." : `work() ${wants}.`));
  if (wrong) {
    tellPage("error", { message: wrong });
    throw makeError("InvalidArgumentError", "invalid_argument", wrong);
  }
  called = true;
  countNested();
  let core, hear;
  const obey = (data) => {
    if (hear) hear(data);
    else if (data.t === "compute") {
      // A second one: the hub has died, and another wants to know how far this worker is.
      if (core) core.meet(data.port);
      else core = loaded("work").beginCore(parts, data.port);
    } else if (data.t === "hub" && !core) {
      // One that could not begin hears nothing more.
      hear = loaded("work").beginHub(data.setup) ?? (() => {});
    }
  };
  /** Messages that came before the wasm; `undefined` once it is there. */
  let early = isLoaded() ? undefined : [];
  const load = async (wasm) => {
    try {
      await (adopt ? adopt(wasm) : whenLoaded());
      const late = misspelt(given);
      if (late) throw makeError("InvalidArgumentError", "invalid_argument", late);
    } catch (error) {
      return tellPage("error", { message: String(error?.message ?? error) });
    }
    const messages = early;
    early = undefined;
    // An error of our own reaches the page, as it does where no message waited.
    for (const data of messages) obey(data);
  };
  addEventListener("message", ({ data }) => {
    if (data?.dc !== 1) return;
    if (!early) return obey(data);
    if (early.push(data) === 1) load(data.wasm).catch(reportError);
  });
  if (adopt || isLoaded()) tellPage("ready");
  else whenLoaded().then(() => tellPage("ready"));
}

export function work(parts) {
  begin(parts);
}

/** Runs one job on this thread. Nobody is there who would have it rest or stop. */
export async function runJob(given, wanted) {
  const { readJob, account, written } = loaded("runJob");
  const parts = read(given);
  const wrong = misspelt(given) ?? (parts ? undefined : `runJob() ${wants}, and a job.`);
  if (wrong) throw makeError("InvalidArgumentError", "invalid_argument", wrong);
  const { mark, data, stage, attempt, restored, files } = readJob(wanted);
  const ran = { output: undefined, progress: [], checkpoints: [], files: {}, failure: null };
  /** The first one counts: what a handler does after `invalid` is not handed in. */
  const fail = (kind, message) => {
    ran.failure ??= { kind, message };
    return ran;
  };
  const clone = (state) => {
    try {
      return structuredClone(state);
    } catch (thrown) {
      const message = `the checkpoint cannot be cloned: ${thrown?.message ?? thrown}`;
      throw makeError("InvalidArgumentError", "invalid_argument", message);
    }
  };
  const last = clone(restored);
  let run;
  const calls = {
    look(done, total, text) {
      ran.progress.push({ done, total, text });
      return -Infinity;
    },
    save: (state) => ran.checkpoints.push(clone(state)),
    async put(name, bytes, type, blob) {
      ran.files[name] = blob.slice(0, bytes, type);
    },
    flag: (reason) => fail("invalid", reason),
    isPaused: () => false,
    ready: () => run.wake(),
  };
  const owner = { parts, calls, setup: undefined, run: undefined };
  try {
    owner.setup = await parts.setup?.call(parts.owner);
  } catch (thrown) {
    return fail("setup", account(thrown));
  }
  let output;
  try {
    run = new Run(owner, mark, 1, attempt, data, stage, stage, "", last, files);
    output = await run.call();
  } catch (thrown) {
    return fail("failed", account(thrown));
  } finally {
    run?.end();
  }
  if (ran.failure) return ran;
  try {
    ran.output = parsed(mark, written(output));
  } catch (thrown) {
    return fail("failed", thrown.message);
  }
  return ran;
}
