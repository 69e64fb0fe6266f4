// A compute worker: the owner's handler, one job after the other. When to rest, to listen and to
// speak, the rules say, which are wasm; what the owner has written is called here, because it may
// throw or call back. No rule belongs here.

import { makeError, now, wordOf } from "./face.js";
import { heard, nap } from "./tower.js";

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
] = Array(16).keys();

export function listen(port, hear) {
  port.onmessage = ({ data }) => hear(wordOf(data), Object(data));
}

/** A job under way. */
class Run {
  /** Until when `progress` need not be listened to. */
  #due = -Infinity;
  #over = false;
  #controller;
  /** Why the job was stopped: an AbortError. */
  reason;
  /** What the handler says is wrong with the data. */
  flaw;

  /** `look(done, total, text)` returns when it wants to be called again. */
  constructor(task, data, project, setup, look, save) {
    const run = this;
    this.task = task;
    this.key = task.key;
    this.job = { id: task.number, data, attempt: task.attempt, stage: task.stage };
    this.context = {
      progress(done, total, text) {
        // What comes after the job has ended is nobody's progress.
        if (run.#over) return;
        if (!isPlain(done, total, text)) {
          throw argument("progress takes two numbers, 0 or more, and a text without U+0000.");
        }
        if (now() >= run.#due) run.#due = look(done, total, text);
      },
      get signal() {
        if (!run.#controller) {
          run.#controller = new AbortController();
          if (run.reason) run.#controller.abort(run.reason);
        }
        return run.#controller.signal;
      },
      invalid(reason) {
        const flaw = typeof reason === "string" ? reason : "the handler found it invalid";
        if (!run.#over) run.flaw ??= flaw;
        throw new Error(flaw);
      },
      checkpoint(state) {
        if (!run.#over) save(state);
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
    this.#due = -Infinity;
    this.#controller?.abort(this.reason);
  }

  end() {
    this.#over = true;
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
    try {
      this.#setup = await setup?.call(owner);
      this.#up = { t: "up" };
    } catch (thrown) {
      this.#up = { t: "broken", message: this.#door("says", thrown) };
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
    const look = (done, total, text) => this.#look(done, total, text);
    const save = (state) => this.#save(state);
    const run = new Run(task, data, this.#project, this.#setup, look, save);
    this.#run = run;
    this.#begun = run.key;
    const begun = now();
    if (this.#rules(BEGIN, begun, String(task.stage).charCodeAt(0))) this.#flush(begun);
    try {
      const output = handler.call(owner, run.job, run.context);
      if (typeof output?.then === "function") {
        this.#flushSoon();
        // `resolve(output)` never settles in WebKit where a promise's `constructor` throws.
        return new Promise((resolve, reject) => output.then(resolve, reject)).then(
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
    const result = { key: run.key, kind: "done", ms: this.#rules(END, now()) };
    // The wasm that trapped, perhaps the rules', is not to be trusted any more.
    if (failure && isTrap(failure.thrown)) result.fatal = true;
    if (run.flaw !== undefined) {
      result.kind = "invalid";
      result.message = run.flaw;
    } else if (failure) {
      result.kind = run.reason ? "stopped" : "failed";
      result.message = this.#door("says", failure.thrown);
    } else {
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
      const slept = ms > 0 && nap(ms);
      // Who can hear nothing must not sleep for ever.
      if (!slept || (this.#epochs.length === 0 && rules(IS_PAUSED))) {
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
