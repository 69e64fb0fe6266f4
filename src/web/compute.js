// What a compute worker needs of JavaScript: calls of the owner's functions, which may throw or call
// back, and the context that a handler gets. What follows from them is decided by the engine
// (crates/engine/src/core/worker.rs), which compute.rs drives.

import { makeError, now } from "./face.js";

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
   * called again; `save(state)`, `ready()`, `flag(reason)`, `isPaused()`, `uncaught()` and `tick()`.
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
  constructor(owner, mark, number, attempt, data, stage, stageName, project, resume) {
    const run = this;
    const { calls } = owner;
    if (data?.startsWith(mark)) data = JSON.parse(data.slice(mark.length));
    owner.run = run;
    this.#owner = owner;
    this.#job = { id: number, data, attempt, stage };
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
      checkpoint(state) {
        if (!run.over) calls.save(state);
      },
      resume,
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
