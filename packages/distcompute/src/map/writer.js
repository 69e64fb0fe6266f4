// Writes outputs and failed jobs, as they come from the tracker.

import { createReadStream, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { lines } from "./lines.js";
import { Numbers, Order, nextAfter } from "./order.js";
import { unwrapped } from "./output.js";
import { Sink, openSink } from "./sink.js";

/** How long to wait when there was nothing new, in milliseconds. */
const pauseMs = 100;

export class Writer {
  #operator;
  #stage;
  #progress;
  #unordered;
  #outputs;
  #errors;
  #order = new Order();
  /** The outputs that are written, if they are written in any order. */
  #written = new Numbers();
  /** The failed jobs, and those that an earlier run has reported. */
  #failed = new Numbers();
  #reported = new Numbers();
  /** The failed jobs below this number are known. */
  #failedFrom = 1;
  #cursor = 0;

  /** Opens the outputs, and finds out where to continue. */
  static async open({ options, operator, stages, progress }) {
    const writer = new Writer({ options, operator, stages, progress });
    await writer.#continue(options);
    return writer;
  }

  constructor({ options, operator, stages, progress }) {
    this.#operator = operator;
    this.#stage = stages.at(-1);
    this.#progress = progress;
    this.#unordered = options.unordered;
    this.#outputs = options.output ? openSink(options.output) : new Sink(process.stdout);
    this.#errors = options.errors ? openSink(options.errors) : new Sink(process.stderr);
  }

  async #continue({ output, errors, unordered }) {
    if (errors && existsSync(errors)) {
      for await (const { number } of records(errors)) this.#reported.add(number);
    }
    if (!output || !existsSync(output)) return;
    if (unordered) {
      for await (const { number } of records(output)) this.#wrote(number);
      return;
    }
    let count = 0;
    for await (const _ of lines(createReadStream(output))) count += 1;
    this.#progress.written = count;
    this.#order = new Order({ next: nextAfter(count, await this.#allFailed()) });
  }

  #wrote(number) {
    this.#written.add(number);
    this.#progress.written += 1;
  }

  async #allFailed() {
    const numbers = [];
    for (let from = 1; ;) {
      const jobs = await this.#operator.setAside(from);
      if (jobs.length === 0) return numbers;
      numbers.push(...jobs.filter(isFailure).map(({ number }) => number));
      from = jobs.at(-1).number + 1;
    }
  }

  /**
   * Writes until all is written, or, when `finished` resolves, until nothing new comes.
   *
   * @param {Promise<unknown>} finished
   * @param {AbortSignal} signal ends it at once
   */
  async run(finished, signal) {
    let isLast = false;
    void finished.then(() => (isLast = true));
    while (!signal.aborted) {
      const last = isLast;
      const isNew = (await this.#receive()) || (await this.#receiveFailed());
      if (this.#progress.isOver || (last && !isNew)) return;
      if (!isNew) await sleep(pauseMs);
    }
  }

  async end() {
    await this.#outputs.end();
    await this.#errors.end();
  }

  /** Receives some outputs. Returns whether there were any. */
  async #receive() {
    let count = 0;
    const fresh = [];
    const wrong = [];
    for await (const { cursor, number, data } of this.#operator.results(this.#stage, {
      after: this.#cursor,
    })) {
      count += 1;
      this.#cursor = cursor;
      const text = unwrapped(data);
      if (text === undefined) {
        wrong.push(number);
      } else if (!this.#unordered) {
        this.#order.done(number, text);
      } else if (!this.#written.has(number)) {
        this.#wrote(number);
        fresh.push(`{"number":${number},"output":${text}}`);
      }
    }
    // No handler of ours returned these: somebody called the tracker with them.
    if (wrong.length > 0) await this.#operator.requeue(wrong);
    if (this.#unordered) await this.#outputs.write(fresh);
    else await this.#writeInOrder();
    return count > 0;
  }

  async #writeInOrder() {
    for (;;) {
      const { texts, missing } = this.#order.take();
      await this.#outputs.write(texts);
      this.#progress.written += texts.length;
      if (missing.length === 0) return;
      for await (const { number, data } of this.#operator.results(this.#stage, {
        numbers: missing,
      })) {
        this.#order.again(number, unwrapped(data) ?? "null");
      }
    }
  }

  /** Receives failed jobs. Returns whether there were new ones. */
  async #receiveFailed() {
    const status = await this.#operator.status();
    if (status.set_aside <= this.#progress.failed) return false;
    let isNew = false;
    for (let from = this.#failedFrom; ;) {
      const jobs = await this.#operator.setAside(from);
      const last = jobs.at(-1);
      if (!last) break;
      from = last.number + 1;
      for (const job of jobs.filter(isFailure)) isNew = (await this.#receiveFailure(job)) || isNew;
      // What these jobs fail of is a stranger's result of the stage before.
      const wrong = jobs.filter((job) => !isFailure(job)).map(({ number }) => number);
      if (wrong.length > 0) await this.#operator.requeue(wrong);
    }
    if (!this.#unordered) {
      await this.#writeInOrder();
      this.#failedFrom = this.#order.next;
    }
    return isNew;
  }

  async #receiveFailure({ number, stage, input, reason, errors }) {
    if (this.#failed.has(number)) return false;
    this.#failed.add(number);
    this.#progress.failed += 1;
    this.#order.failed(number);
    if (this.#reported.has(number)) return true;
    const error = errors.at(-1)?.error ?? reason;
    const record = { number, stage, error };
    const text = JSON.stringify(record).slice(0, -1);
    await this.#errors.write([`${text},"input":${unwrapped(input)}}`]);
    return true;
  }
}

/** Whether a job that was set aside has failed, and not its input. */
const isFailure = ({ input }) => unwrapped(input) !== undefined;

const records = async function* (file) {
  for await (const line of lines(createReadStream(file))) yield JSON.parse(line);
};
