// A compute worker: the owner's handler, one job after the other. When to rest, to listen and to
// speak, the rules say, which are wasm; what the owner has written is called here, because it may
// throw or call back. No rule belongs here.

import { makeError, now, wordOf } from "./face.js";
import { hasNested } from "./nested.js";
import { heard, nap } from "./tower.js";

/** So many turns of the event loop show whether a thread is free. */
const manyTurns = 20;

/** An async handler that was stopped, and whose error nobody caught, has so long to end. */
const endMs = 300;

function isPlain(done, total, text) {
  return (
    Number.isFinite(done) &&
    done >= 0 &&
    Number.isFinite(total) &&
    total >= 0 &&
    (text === undefined || (typeof text === "string" && !text.includes("\0")))
  );
}

function argument(message) {
  return makeError("InvalidArgumentError", "invalid_argument", message);
}

/** What the rules are asked, by number: the list is the same in compute.rs. */
const [
  WAIT,
  BEGIN,
  END,
  POLL,
  SHOW,
  FLUSH,
  FLUSH_IN,
  SENT,
  NAP,
  REST,
  WORK,
  NEXT_LOOK,
  IS_PAUSED,
  HEARD,
  HEARD_STOP,
  NEW_TOWER,
  ENDING,
  FREE_TURNS,
  WATCH_REST,
  LOOKED,
  LOOK_IN,
  SAY_REST,
] = Array(22).keys();

/** The answers to `ENDING`, as in `duty::Ending`. */
const endings = ["done", "invalid", "failed", "stopped"];

/** The errors that have told handlers to stop: nobody need catch them. */
const aborts = new WeakSet();

const isAbort = (thrown) => Object(thrown) === thrown && aborts.has(thrown);

export function listen(port, hear) {
  port.onmessage = ({ data }) => hear(wordOf(data), Object(data));
}

/** How many milliseconds some turns of the event loop take. */
async function turns() {
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

/** A job under way. */
class Run {
  /** Until when `progress` need not be listened to. */
  #due = -Infinity;
  #controller;
  #wakers = new Set();
  over = false;
  /** The handler has returned a promise: its thread is free while it waits. */
  isAsync = false;
  /** How many of its `ready` are waited for. */
  waits = 0;
  /** Why the job was stopped: an AbortError. */
  reason;
  /** What the handler says is wrong with the data. */
  flaw;

  /**
   * Of the core: `look(done, total, text)` returns when it wants to be called again, `ready(run)` is
   * a promise of the time when the handler may work, and `isPaused()` whether it may now.
   */
  constructor(task, data, project, setup, { look, save, ready, isPaused }) {
    const run = this;
    this.task = task;
    this.key = task.key;
    this.job = { id: task.number, data, attempt: task.attempt, stage: task.stage };
    this.context = {
      progress(done, total, text) {
        // What comes after the job has ended is nobody's progress.
        if (run.over) return;
        if (!isPlain(done, total, text)) {
          throw argument("progress takes two numbers, 0 or more, and a text without U+0000.");
        }
        if (now() >= run.#due) run.#due = look(done, total, text);
      },
      get paused() {
        return isPaused();
      },
      ready: () => ready(run),
      get signal() {
        if (!run.#controller) {
          run.#controller = new AbortController();
          if (run.reason) run.#controller.abort(run.reason);
        }
        return run.#controller.signal;
      },
      invalid(reason) {
        const flaw = typeof reason === "string" ? reason : "the handler found it invalid";
        // Whoever was told to stop judges nothing any more.
        if (!run.over && !run.reason) run.flaw ??= flaw;
        throw new Error(flaw);
      },
      checkpoint(state) {
        if (!run.over) save(state);
      },
      resume: task.resume,
      setup,
      stage: task.stage,
      stageName: task.stageName,
      project,
    };
  }

  stop() {
    const message = "The job shall stop: let this error pass.";
    this.reason ??= makeError("AbortError", "aborted", message);
    aborts.add(this.reason);
    this.#due = -Infinity;
    this.#controller?.abort(this.reason);
    this.wake();
  }

  end() {
    this.over = true;
    this.wake();
  }

  /** Resolves after so many milliseconds, or when it is woken. */
  sleep(ms) {
    return new Promise((resolve) => {
      this.#wakers.add(resolve);
      setTimeout(() => this.#wakers.delete(resolve) && resolve(), ms);
    });
  }

  wake() {
    for (const resolve of this.#wakers) resolve();
    this.#wakers.clear();
  }
}

function isTrap(thrown) {
  try {
    return thrown instanceof WebAssembly.RuntimeError;
  } catch {
    return false;
  }
}

export class Core {
  #parts;
  #rules;
  #door;
  #mark;
  #port;
  #setup;
  /** What became of `setup`, as a message for the hub. */
  #up;
  #epochs = [];
  #project;
  #queue = [];
  #run;
  /** The job whose beginning was not said yet. */
  #begun;
  /** What was not said yet of jobs that have ended: `{ task, result }` each; and what was said last. */
  #ended = [];
  #said = [];
  #flushing = false;
  #watching = false;
  #bell = new MessageChannel();
  #ring = () => {};

  /**
   * `rules(question, now, value)` answers with a number; `door` says what values are on the wire, and
   * `mark` is what a job's data begins with that is JSON.
   */
  constructor(parts, port, rules, door, mark) {
    this.#parts = parts;
    this.#rules = (question, now = 0, value = 0) => rules(question, now, Number(value));
    this.#door = door;
    this.#mark = mark;
    this.#bell.port1.onmessage = () => this.#ring();
    this.#catchAborts();
    this.#listen(port);
    // An error of our own reaches the page, which replaces this worker.
    this.#work().catch(reportError);
  }

  /**
   * Another hub is there, which wants to know what this worker does. It takes over the job that
   * runs; what only waits here comes again.
   */
  meet(port) {
    this.#listen(port);
    this.#hear({ t: "tower", epochs: [] });
    this.#queue = [];
    // The former hub may have died before it heard of them.
    const over = [...this.#said, ...this.#ended].map(({ task, result }) => {
      const { kind, data: output, message: said } = result;
      return { ...task, kind, output, said };
    });
    this.#ended = [];
    const task = this.#run?.task;
    port.postMessage({ t: "met", task: task && { ...task, kind: "job", input: task.data }, over });
    if (this.#up) port.postMessage(this.#up);
    this.#begun = this.#run?.key;
    this.#flush(now());
  }

  #listen(port) {
    // What the former hub has sent is for nobody any more.
    this.#port?.close();
    this.#port = port;
    listen(port, (_, message) => this.#hear(message));
  }

  #hear(message) {
    switch (message.t) {
      case "jobs":
        this.#project = message.project;
        this.#queue = this.#queue.concat(message.jobs).filter((task) => Number.isFinite(task?.key));
        break;
      case "recall":
        this.#port.postMessage({ t: "recalled", keys: this.#queue.map(({ key }) => key) });
        this.#queue = [];
        break;
      case "pace":
        this.#rules(HEARD, now(), message.level);
        this.#run?.wake();
        this.#watch();
        break;
      case "tower":
        // What was said in the epochs before has come by message too.
        this.#epochs = [].concat(message.epochs).filter(Array.isArray);
        this.#rules(NEW_TOWER);
        break;
      case "stop":
        if (message.said) this.#rules(HEARD_STOP);
        this.#queue = this.#queue.filter(({ key }) => key !== message.key);
        if (this.#run?.key === message.key) this.#run?.stop();
        break;
    }
    this.#ring();
  }

  /** Waits for a message; with 0 until those that have come are heard. */
  #wait(ms) {
    return new Promise((resolve) => {
      this.#ring = resolve;
      if (ms === 0) this.#bell.port2.postMessage(null);
      else if (ms < Infinity) setTimeout(resolve, ms);
    });
  }

  async #work() {
    const { owner, setup } = this.#parts;
    for (let times = 0; times < 3; times += 1) this.#rules(FREE_TURNS, 0, await turns());
    try {
      this.#setup = await setup?.call(owner);
      this.#up = { t: "up" };
    } catch (thrown) {
      this.#up = { t: "broken", message: this.#door("account", thrown) };
    }
    this.#port.postMessage(this.#up);
    while (this.#up.t === "up") {
      const wait = this.#rules(WAIT, now(), this.#queue.length > 0);
      // Nobody waits for what is there already.
      const pending = wait < 0 ? this.#begin(this.#queue.shift()) : this.#wait(wait);
      if (wait > 0) this.#flush(now());
      if (pending) await pending;
    }
  }

  /** Does a job. Returns a promise of its end where the handler returned one. */
  #begin(task) {
    const { owner, handler } = this.#parts;
    let { data } = task;
    const mark = this.#mark;
    try {
      if (data?.startsWith(mark)) data = JSON.parse(data.slice(mark.length));
    } catch (thrown) {
      const message = `the data says that it is JSON and is not: ${this.#door("says", thrown)}`;
      this.#ended.push({ task, result: { key: task.key, kind: "invalid", message, ms: 0 } });
      return undefined;
    }
    const run = new Run(task, data, this.#project, this.#setup, {
      look: (done, total, text) => this.#look(done, total, text),
      save: (state) => this.#save(state),
      ready: (run) => this.#ready(run),
      isPaused: () => this.#rules(IS_PAUSED) === 1,
    });
    this.#run = run;
    this.#begun = run.key;
    const begun = now();
    if (this.#rules(BEGIN, begun, String(task.stage).charCodeAt(0))) this.#flush(begun);
    try {
      const output = handler.call(owner, run.job, run.context);
      if (typeof output?.then === "function") {
        run.isAsync = true;
        this.#flushSoon();
        this.#watch();
        // `resolve(output)` never settles in WebKit where a promise's `constructor` throws.
        return new Promise((resolve, reject) => {
          run.abandon = reject;
          output.then(resolve, reject);
        }).then(
          (output) => this.#finish(run, output),
          (thrown) => this.#finish(run, undefined, { thrown }),
        );
      }
      this.#finish(run, output);
    } catch (thrown) {
      this.#finish(run, undefined, { thrown });
    }
    return undefined;
  }

  #finish(run, output, failure) {
    run.end();
    const result = { key: run.key, ms: this.#rules(END, now()) };
    // The wasm that trapped, perhaps the rules', is not to be trusted any more; nor is a worker in
    // which a handler is still at work.
    if (run.isAbandoned || (failure && isTrap(failure.thrown))) result.fatal = true;
    const [aborted, flagged] = [run.reason !== undefined, run.flaw !== undefined];
    // Three truths in one number.
    result.kind = endings[this.#rules(ENDING, 0, aborted + 2 * flagged + 4 * Boolean(failure))];
    if (result.kind === "invalid") result.message = run.flaw;
    else if (failure) result.message = this.#door("account", failure.thrown);
    else if (result.kind === "done") {
      try {
        // Calls the owner's `toJSON`.
        result.data = this.#door("output", output);
      } catch (thrown) {
        result.kind = "failed";
        result.message = `the output cannot be handed in: ${this.#door("says", thrown)}`;
      }
    }
    this.#run = undefined;
    this.#begun = undefined;
    this.#ended.push({ task: run.task, result });
  }

  get #hasNews() {
    return this.#begun !== undefined || this.#ended.length > 0;
  }

  /** Says what there is to say, if anything. */
  #flush(at, progress) {
    if (!progress && !this.#hasNews) return;
    const report = { t: "report", started: this.#begun, progress };
    if (this.#ended.length > 0) {
      report.results = this.#ended.map(({ result }) => result);
      this.#said = this.#ended;
      this.#ended = [];
    }
    this.#begun = undefined;
    this.#port.postMessage(report);
    this.#rules(SENT, at);
  }

  /** Says it in a moment, while a handler waits for something. */
  #flushSoon() {
    if (this.#flushing || !this.#hasNews) return;
    this.#flushing = true;
    setTimeout(
      () => {
        this.#flushing = false;
        this.#flush(now());
      },
      this.#rules(FLUSH_IN, now()),
    );
  }

  /**
   * A handler may be told to stop where nobody catches it: in a timer, or in what an engine calls
   * back. That is neither an error of the worker nor a failure of the job, which is given back; and
   * where the handler does not end by itself, this worker is replaced.
   */
  #catchAborts() {
    const swallow = (event, thrown) => {
      if (!isAbort(thrown)) return;
      event.preventDefault();
      const run = this.#run;
      if (thrown !== run?.reason || !run.abandon) return;
      setTimeout(() => {
        if (run.over) return;
        run.isAbandoned = true;
        run.abandon(thrown);
      }, endMs);
    };
    addEventListener("error", (event) => swallow(event, event.error));
    addEventListener("unhandledrejection", (event) => swallow(event, event.reason));
  }

  /** The handler waits until it may work. */
  async #ready(run) {
    for (;;) {
      if (run.reason) throw run.reason;
      const ms = run.over ? 0 : this.#rules(NAP, now());
      if (ms === 0) return;
      run.waits += 1;
      this.#rules(REST, now());
      await run.sleep(ms);
      run.waits -= 1;
      if (!run.over) this.#rules(WORK, now());
    }
  }

  /** Says that this core rests in the middle of its job, where it does and that is due. */
  #sayRest(waits) {
    if (this.#rules(SAY_REST, now(), waits + 2 * hasNested())) {
      this.#port.postMessage({ t: "rests" });
    }
  }

  /** Looks now and then whether an async handler rests, as long as this core is paused. */
  #watch() {
    if (this.#watching) return;
    this.#watching = true;
    const look = async (due) => {
      const late = now() - due;
      this.#rules(LOOKED, late, await turns());
      const run = this.#run;
      if (!run?.isAsync || !this.#rules(IS_PAUSED)) {
        this.#watching = false;
        return;
      }
      this.#sayRest(run.waits > 0);
      next(this.#rules(LOOK_IN, 0, Math.random()));
    };
    const next = (ms) => setTimeout(look, ms, now() + ms);
    next(this.#rules(WATCH_REST, 0, Math.random()));
  }

  /** The handler tells its progress. */
  #look(done, total, text) {
    const rules = this.#rules;
    // What is done here is no work of the handler's.
    rules(REST, now());
    for (;;) {
      if (rules(POLL, now())) {
        for (const said of heard(this.#epochs)) {
          if (rules(HEARD, now(), said)) this.#run.stop();
        }
      }
      if (this.#run.reason) {
        rules(WORK, now());
        throw this.#run.reason;
      }
      const at = now();
      if (rules(SHOW, at)) this.#flush(at, { key: this.#run.key, done, total, text });
      else if (rules(FLUSH, at)) this.#flush(at);
      const ms = rules(NAP, now());
      const isPaused = rules(IS_PAUSED) === 1;
      // To sleep here would keep a handler from telling its own workers to rest.
      if (this.#run.isAsync && hasNested()) {
        rules(WORK, now());
        return rules(NEXT_LOOK, now(), this.#hasNews);
      }
      const slept = ms > 0 && nap(ms);
      if (isPaused && slept) this.#sayRest(true);
      // Who can hear nothing must not sleep for ever.
      if (!slept || (this.#epochs.length === 0 && isPaused)) {
        rules(WORK, now());
        return rules(NEXT_LOOK, now(), this.#hasNews);
      }
    }
  }

  /** The handler says what its job can go on from. */
  #save(state) {
    this.#flush(now());
    try {
      this.#port.postMessage({ t: "report", checkpoint: { key: this.#run.key, state } });
    } catch (thrown) {
      throw argument(`the checkpoint cannot be cloned: ${this.#door("says", thrown)}`);
    }
  }
}
