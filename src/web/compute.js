// What a compute worker needs of JavaScript: a job as its handler sees it, the calls of what the
// owner has written, and waiting. No rule belongs here.

import { now } from "./face.js";

function isPlain(done, total, text) {
  return (
    Number.isFinite(done) &&
    done >= 0 &&
    Number.isFinite(total) &&
    total >= 0 &&
    (text === undefined || (typeof text === "string" && !text.includes("\0")))
  );
}

/** A job under way. */
export class Run {
  /** Until when `progress` need not call `look`. */
  #due = -Infinity;
  #over = false;
  #controller;
  /** Why the job was stopped: an AbortError. */
  reason;
  /** What the handler says is wrong with the data. */
  flaw;

  /**
   * `look(done, total, text)` returns when it wants to be called again, or throws what the handler
   * shall see; so does `save(state)`.
   */
  constructor(task, data, project, setup, look, save) {
    const run = this;
    this.key = task.key;
    this.job = { id: task.number, data, attempt: task.attempt, stage: task.stage };
    this.context = {
      // What comes after the job has ended is nobody's progress.
      progress(done, total, text) {
        if (run.#over || (now() < run.#due && isPlain(done, total, text))) return;
        run.#due = look(done, total, text);
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

  stop(reason) {
    this.reason ??= reason;
    this.#due = -Infinity;
    this.#controller?.abort(this.reason);
  }

  end() {
    this.#over = true;
  }
}

/** Calls what the owner has written: what it returns, or a real promise of it. */
export function call(owner, method, ...args) {
  const value = method.apply(owner, args);
  return typeof value?.then === "function" ? new Promise((resolve) => resolve(value)) : value;
}

export function outcome(key, kind, text, ms, fatal) {
  const said = kind === "done" ? { data: text } : { message: text };
  return fatal ? { key, kind, ms, ...said, fatal } : { key, kind, ms, ...said };
}

export function progressOf(key, done, total, text) {
  return { key, done, total, text };
}

/** Waits until it is rung. */
export class Bell {
  #own = new MessageChannel();
  #ring;

  constructor() {
    this.#own.port1.onmessage = () => this.ring();
  }

  ring() {
    this.#ring?.();
  }

  /** For `ms` at most; with 0 until the messages that have come are heard. */
  wait(ms) {
    return new Promise((resolve) => {
      this.#ring = resolve;
      if (ms <= 0) this.#own.port2.postMessage(null);
      else if (ms < Infinity) setTimeout(resolve, ms);
    });
  }
}

export function listen(port, hear) {
  port.onmessage = (event) => hear(event.data);
}

export function tell(port, t, message, keys) {
  port.postMessage({ t, message, keys });
}

export function report(port, started, progress, results) {
  port.postMessage({ t: "report", started, progress, results });
}

/** Throws what cloning a handler's value throws. */
export function keep(port, key, state) {
  port.postMessage({ t: "report", checkpoint: { key, state } });
}
