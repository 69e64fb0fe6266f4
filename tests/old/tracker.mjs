// An in-memory tracker of the first protocol, without any of our extensions, and with the defects of
// the tracker that the protocol comes from. It shares no code with our tracker, so that clients are not
// only tested against the implementation that was written together with them. The defects:
//
// - The output of a stage overwrites its input, and the next stage gets `null`.
// - `updateProgress` answers 200 for unknown tokens, and 404 for texts of more than 255 characters.
// - A repeated `completeJob` is a 403. A late one completes the job that the worker holds by then.
// - Five flags of a job send it back, also if all of them come from one worker, and the count is never
//   reset. At stage a they have no effect. At stage b the fifth one is a 422 and the worker keeps the job.
//   At a later stage it sends the job back to the stage before without its input.
// - A job that was put back may be handed to the same worker at once.
// - A nickname of more than 128 characters, U+0000 and lone surrogates are a 500.
//
// Requests and answers are plain objects; server.mjs adds HTTP.

import { randomInt, randomUUID } from "node:crypto";

const letters = "abcde";
const flagsUntilBack = 5;
const jsonMark = "<!json!>";

const texts = {
  invalidStage: (stage) =>
    `Invalid worker stage: '${stage}'. Choose from ${[...letters].map((one) => `'${one}'`).join("/")}.`,
  disabledStage: (stage) => `The worker stage '${stage}' is disabled.`,
  unknownWorker: "The server could not find this worker. Did the worker time out?",
  noJobs:
    "Either there are no new jobs available, or there was an error whilst finding a job. " +
    "Keep retrying, as jobs are dynamically created.",
  noOpenJob: "You do not have an open job.",
  alreadyCompleted: "This job has already been marked as completed.",
  notWorking: "This worker is not currently working on a job.",
};

/**
 * @typedef {{ status: number, type: string, body: string }} Answer
 * @typedef {{ method: string, path: string, query: URLSearchParams, type: string, body: string }} Request
 */

/** @returns {Answer} */
export function text(status, body) {
  return { status, type: "text/plain; charset=utf-8", body };
}

/** @returns {Answer} */
export function json(status, value) {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

const ok = () => text(200, "200 OK");

/** Thrown instead of returning an answer with an error status. */
class Refusal extends Error {
  /** @param {Answer} answer */
  constructor(answer) {
    super(answer.body);
    this.answer = answer;
  }
}

/** The data of a job as the protocol transmits it: text, or a mark followed by JSON. */
export function jobText(value) {
  return typeof value === "string" ? value : jsonMark + JSON.stringify(value);
}

/** Alternately text (job 1) and an object (job 2): both kinds of data in the protocol. */
export function mixedData(number) {
  return jobText(number % 2 === 1 ? `shard_${number}.tar` : { shard: number });
}

export class OldTracker {
  /**
   * @param {{ jobs?: number, dataOf?: (number: number) => any, stages?: Record<string, string>,
   *   idleTimeoutMs?: number }} [options] `dataOf` returns the input of a job at stage a, `stages` are
   *   the names of the enabled stages by letter
   */
  constructor(options = {}) {
    const { jobs = 100, dataOf = mixedData, idleTimeoutMs = 7_200_000 } = options;
    this.stages = options.stages ?? { a: "CPU", b: "GPU" };
    this.idleTimeoutMs = idleTimeoutMs;
    this.jobs = Array.from({ length: jobs }, (_, index) => ({
      number: index + 1,
      stage: "a",
      pending: false,
      closed: false,
      flags: 0,
      /** One value for each stage, like the columns of the original database. */
      data: { a: dataOf(index + 1) },
    }));
    /** @type {Map<string, any>} */
    this.workers = new Map();
    /** Completed jobs by nickname. @type {Record<string, number>} */
    this.leaderboard = {};
  }

  /**
   * @param {Request} request
   * @returns {Answer}
   */
  answer(request) {
    try {
      const call = calls[request.path];
      if (!call) return text(404, "Not Found");
      const [method, fields, handle] = call;
      if (method !== request.method) return text(405, "Method Not Allowed");
      const values = method === "GET" ? Object.fromEntries(request.query) : readBody(request);
      requireTexts(values, fields, method === "GET" ? "query" : "body");
      this.deleteIdle(this.idleTimeoutMs);
      return handle.call(this, values);
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      throw error;
    }
  }

  register({ nickname, stage }) {
    requireStage(stage);
    if (!(stage in this.stages)) throw new Refusal(text(400, texts.disabledStage(stage)));
    requireStorable(nickname, 128);
    const token = randomUUID();
    const display_name = `calm-river-${randomInt(1000)}`;
    const worker = { stage, nickname, display_name, progress: "Initialized", completed: 0 };
    this.workers.set(token, { ...worker, job: undefined, lastSeen: performance.now() });
    const names = { project: "An older project", stage_name: this.stages[stage] };
    return json(200, { token, display_name, ...names });
  }

  validateWorker({ token }) {
    return text(200, this.workers.has(token) ? "True" : "False");
  }

  jobCount({ stage }) {
    requireStage(stage);
    return text(200, String(this.jobs.filter((job) => isOpenAt(job, stage)).length));
  }

  newJob({ token }) {
    const worker = this.worker(token);
    putBack(worker);
    const job = this.jobs.find((one) => isOpenAt(one, worker.stage));
    if (!job) throw new Refusal(text(403, texts.noJobs));
    job.pending = true;
    worker.job = job;
    worker.lastSeen = performance.now();
    return json(200, { data: job.data[worker.stage] ?? null, number: job.number });
  }

  updateProgress({ token, progress }) {
    requireStorable(progress);
    if (progress.length > 255) throw new Refusal(text(404, texts.unknownWorker));
    const worker = this.workers.get(token);
    if (worker) Object.assign(worker, { progress, lastSeen: performance.now() });
    return ok();
  }

  completeJob({ token, data }) {
    const worker = this.worker(token);
    const { job, nickname } = worker;
    if (!job) {
      throw new Refusal(text(403, worker.completed > 0 ? texts.alreadyCompleted : texts.noOpenJob));
    }
    requireStorable(data);
    job.data[worker.stage] = data;
    const next = this.stageBeside(worker.stage, 1);
    if (next) job.stage = next;
    else job.closed = true;
    putBack(worker);
    worker.completed += 1;
    worker.lastSeen = performance.now();
    this.leaderboard[nickname] = (this.leaderboard[nickname] ?? 0) + 1;
    return ok();
  }

  flagInvalidData({ token }) {
    const worker = this.worker(token);
    const { job, stage } = worker;
    if (!job) throw new Refusal(text(403, texts.notWorking));
    if (stage !== "a") {
      job.flags += 1;
      if (job.flags >= flagsUntilBack) {
        if (stage === "b") throw invalid("none_required", ["body", "stage"], "Invalid", null);
        job.stage = this.stageBeside(stage, -1);
        job.data[job.stage] = null;
      }
    }
    putBack(worker);
    worker.lastSeen = performance.now();
    return ok();
  }

  bye({ token }) {
    putBack(this.worker(token));
    this.workers.delete(token);
    return ok();
  }

  worker(token) {
    const worker = this.workers.get(token);
    if (!worker) throw new Refusal(text(404, texts.unknownWorker));
    return worker;
  }

  /** The stage before (-1) or after (1) another, if there is one. */
  stageBeside(stage, step) {
    const enabled = Object.keys(this.stages);
    return enabled[enabled.indexOf(stage) + step];
  }

  /** Deletes the workers that have been idle for at least this long. */
  deleteIdle(idleMs) {
    const now = performance.now();
    for (const [token, worker] of this.workers) {
      if (now - worker.lastSeen < idleMs) continue;
      putBack(worker);
      this.workers.delete(token);
    }
  }

  /** All jobs, workers and credits, for assertions. */
  state() {
    const dataOf = ({ data }) =>
      Object.fromEntries(Object.keys(this.stages).map((stage) => [stage, data[stage] ?? null]));
    const jobs = this.jobs.map(({ flags: _, ...job }) => ({ ...job, data: dataOf(job) }));
    const workers = [...this.workers.values()].map(
      ({ stage, nickname, progress, completed, job }) => ({
        ...{ stage, nickname, progress, completed },
        job: job?.number ?? null,
      }),
    );
    return { jobs, workers, leaderboard: this.leaderboard };
  }
}

const calls = {
  "/api/new": ["GET", ["nickname", "stage"], OldTracker.prototype.register],
  "/api/jobCount": ["GET", ["stage"], OldTracker.prototype.jobCount],
  "/api/validateWorker": ["POST", ["token"], OldTracker.prototype.validateWorker],
  "/api/newJob": ["POST", ["token"], OldTracker.prototype.newJob],
  "/api/updateProgress": ["POST", ["token", "progress"], OldTracker.prototype.updateProgress],
  "/api/completeJob": ["POST", ["token", "data"], OldTracker.prototype.completeJob],
  "/api/flagInvalidData": ["POST", ["token"], OldTracker.prototype.flagInvalidData],
  "/api/bye": ["POST", ["token"], OldTracker.prototype.bye],
};

function isOpenAt(job, stage) {
  return job.stage === stage && !job.pending && !job.closed;
}

/** Takes a worker's job away from it, so that others can get it. */
function putBack(worker) {
  if (worker.job) worker.job.pending = false;
  worker.job = undefined;
}

function requireStage(stage) {
  if (stage.length !== 1 || !letters.includes(stage)) {
    throw new Refusal(text(400, texts.invalidStage(stage)));
  }
}

/** The original database rejected U+0000, lone surrogates and texts longer than the column. */
function requireStorable(value, most = Infinity) {
  const isStorable = value.isWellFormed() && !value.includes("\0") && value.length <= most;
  if (!isStorable) throw new Refusal(text(500, "Internal Server Error"));
}

function readBody({ type, body }) {
  let values;
  try {
    if (/^application\/json\b/i.test(type)) values = JSON.parse(body);
  } catch {
    throw invalid("json_invalid", ["body", 0], "JSON decode error", {});
  }
  if (typeof values === "object" && values !== null && !Array.isArray(values)) return values;
  const message = "Input should be a valid dictionary or object to extract fields from";
  throw invalid("model_attributes_type", ["body"], message, values ?? null);
}

/** Throws a 422 for the first field that is missing or not a string. */
function requireTexts(values, fields, place) {
  for (const field of fields) {
    if (!Object.hasOwn(values, field)) {
      throw invalid("missing", [place, field], "Field required", values);
    }
    if (typeof values[field] !== "string") {
      const message = "Input should be a valid string";
      throw invalid("string_type", [place, field], message, values[field]);
    }
  }
}

function invalid(type, loc, msg, input) {
  return new Refusal(json(422, { detail: [{ type, loc, msg, input }] }));
}
