// A small tracker of the old protocol, in memory: the calls, statuses and texts that a client must
// also get along with, without any of the extensions of ours. It knows nothing of HTTP servers:
// a request goes in as an object and an answer comes out.

import { randomInt, randomUUID } from "node:crypto";

const stages = ["a", "b"];
const stageNames = { a: "CPU", b: "GPU" };
const flagsUntilBack = 5;

const texts = {
  invalidStage: (stage) => `Invalid worker stage: '${stage}'. Choose from 'a'/'b'/'c'/'d'/'e'.`,
  disabledStage: (stage) => `The worker stage '${stage}' is disabled.`,
  noWorker: "The server could not find this worker. Did the worker time out?",
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

/** Job 1 is text, job 2 an object, and so on in turn: both kinds that the protocol has. */
export function mixedData(number) {
  return number % 2 === 1 ? `shard_${number}.tar` : `<!json!>{"shard": ${number}}`;
}

export class OldTracker {
  /** @param {{ jobs?: number, dataOf?: (number: number) => string | null }} [options] */
  constructor({ jobs = 100, dataOf = mixedData } = {}) {
    this.jobs = Array.from({ length: jobs }, (_, index) => ({
      number: index + 1,
      stage: "a",
      pending: false,
      closed: false,
      flags: 0,
      // What each stage is given; nothing overwrites it, so a job can go back a stage.
      inputs: { a: dataOf(index + 1) },
    }));
    /** @type {Map<string, { stage: string, job?: any, completed: number, progress: string }>} */
    this.workers = new Map();
  }

  /**
   * @param {Request} request
   * @returns {Answer}
   */
  answer(request) {
    const call = calls[request.path];
    if (!call) return text(404, "Not Found");
    if (call.method !== request.method) return text(405, "Method Not Allowed");
    const given = call.method === "GET" ? Object.fromEntries(request.query) : readBody(request);
    const fault = findFault(given, call.fields);
    return fault ?? call.handle(this, given);
  }

  register({ nickname, stage }) {
    // The column of the old tracker's database was not checked before it was written to.
    if (nickname.length > 128 || nickname.includes("\0")) return text(500, "Internal Server Error");
    if (!"abcde".includes(stage) || stage.length !== 1) {
      return text(400, texts.invalidStage(stage));
    }
    if (!stages.includes(stage)) return text(400, texts.disabledStage(stage));
    const token = randomUUID();
    this.workers.set(token, { stage, completed: 0, progress: "" });
    return json(200, {
      token,
      display_name: `calm-river-${randomInt(1000)}`,
      project: "An older project",
      stage_name: stageNames[stage],
    });
  }

  jobCount({ stage }) {
    if (!"abcde".includes(stage) || stage.length !== 1) {
      return text(400, texts.invalidStage(stage));
    }
    return text(200, String(this.jobs.filter((job) => isOpenAt(job, stage)).length));
  }

  newJob({ token }) {
    const worker = this.workers.get(token);
    if (!worker) return text(404, texts.noWorker);
    putBack(worker);
    const job = this.jobs.find((one) => isOpenAt(one, worker.stage));
    if (!job) return text(403, texts.noJobs);
    job.pending = true;
    worker.job = job;
    return json(200, { data: job.inputs[worker.stage], number: job.number });
  }

  /** The old tracker answers 200 for tokens that it does not know. */
  updateProgress({ token, progress }) {
    if (progress.length > 255) return text(404, texts.noWorker);
    const worker = this.workers.get(token);
    if (worker) worker.progress = progress;
    return text(200, "200 OK");
  }

  completeJob({ token, data }) {
    const worker = this.workers.get(token);
    if (!worker) return text(404, texts.noWorker);
    if (!worker.job) {
      return text(403, worker.completed > 0 ? texts.alreadyCompleted : texts.noOpenJob);
    }
    const { job } = worker;
    const next = stages[stages.indexOf(job.stage) + 1];
    if (next) Object.assign(job, { stage: next, inputs: { ...job.inputs, [next]: data } });
    else Object.assign(job, { closed: true, result: data });
    Object.assign(job, { pending: false, flags: 0 });
    worker.job = undefined;
    worker.completed += 1;
    return text(200, "200 OK");
  }

  flagInvalidData({ token }) {
    const worker = this.workers.get(token);
    if (!worker) return text(404, texts.noWorker);
    if (!worker.job) return text(403, texts.notWorking);
    const { job } = worker;
    putBack(worker);
    job.flags += 1;
    const previous = stages[stages.indexOf(job.stage) - 1];
    if (job.flags >= flagsUntilBack && previous) Object.assign(job, { stage: previous, flags: 0 });
    return text(200, "200 OK");
  }

  bye({ token }) {
    const worker = this.workers.get(token);
    if (!worker) return text(404, texts.noWorker);
    putBack(worker);
    this.workers.delete(token);
    return text(200, "200 OK");
  }
}

function isOpenAt(job, stage) {
  return job.stage === stage && !job.pending && !job.closed;
}

function putBack(worker) {
  if (worker.job) worker.job.pending = false;
  worker.job = undefined;
}

const calls = {
  "/api/new": {
    method: "GET",
    fields: ["nickname", "stage"],
    handle: (tracker, given) => tracker.register(given),
  },
  "/api/jobCount": {
    method: "GET",
    fields: ["stage"],
    handle: (tracker, given) => tracker.jobCount(given),
  },
  "/api/validateWorker": {
    method: "POST",
    fields: ["token"],
    handle: (tracker, { token }) => text(200, tracker.workers.has(token) ? "True" : "False"),
  },
  "/api/newJob": {
    method: "POST",
    fields: ["token"],
    handle: (tracker, given) => tracker.newJob(given),
  },
  "/api/updateProgress": {
    method: "POST",
    fields: ["token", "progress"],
    handle: (tracker, given) => tracker.updateProgress(given),
  },
  "/api/completeJob": {
    method: "POST",
    fields: ["token", "data"],
    handle: (tracker, given) => tracker.completeJob(given),
  },
  "/api/flagInvalidData": {
    method: "POST",
    fields: ["token"],
    handle: (tracker, given) => tracker.flagInvalidData(given),
  },
  "/api/bye": {
    method: "POST",
    fields: ["token"],
    handle: (tracker, given) => tracker.bye(given),
  },
};

/** A body that is not a JSON object, or that was sent as something else, has no fields. */
function readBody({ type, body }) {
  if (!type.startsWith("application/json")) return {};
  try {
    return Object(JSON.parse(body));
  } catch {
    return {};
  }
}

/** The 422 for the first field that is missing or no text, or undefined if all are there. */
function findFault(given, fields) {
  const field = fields.find((name) => typeof given[name] !== "string");
  if (field === undefined) return undefined;
  const missing = given[field] === undefined;
  const detail = {
    type: missing ? "missing" : "string_type",
    loc: ["body", field],
    msg: missing ? "Field required" : "Input should be a valid string",
    input: given[field] ?? null,
  };
  return json(422, { detail: [detail] });
}
