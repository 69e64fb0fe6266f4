// What may come in place of a tracker's answer, as texts of JavaScript.

import { anything, nearlyJson } from "./values.js";

const statuses = [
  ...[
    200, 403, 404, 503, 500, 400, 201, 202, 206, 300, 301, 302, 307, 401, 402, 405, 406, 408, 409,
  ],
  ...[
    410, 413, 414, 418, 422, 425, 429, 431, 451, 501, 502, 504, 505, 511, 520, 521, 524, 529, 530,
  ],
  ...[599],
];

/** A body is not allowed with these. */
const empty = [204, 205, 304];

const texts = [
  ...[
    "200 OK",
    '"200 OK"',
    " 200 OK\r\n",
    "",
    "True",
    '"False"',
    "true",
    "null",
    "0",
    "5",
    "-5",
    "5.5",
  ],
  ...[
    "99999999999999999999",
    "18446744073709551615",
    "1e3",
    "NaN",
    '"',
    "<!doctype html><h1>Log in",
  ],
  ...['{"detail":[{"type":"missing"}]}', "Internal Server Error", "\ufeff200 OK", "200 OK\0"],
  ...[
    "The server could not find this worker. Did the worker time out?",
    "You do not have an open job.",
  ],
  ...["This job has already been marked as completed.", "The worker stage 'a' is disabled."],
  ...["Either there are no new jobs available, or there was an error whilst finding a job. Keep "],
];

const codes = [
  ...["no_jobs", "worker_unknown", "no_open_job", "already_completed", "not_working", "wrong_job"],
  ...[
    "stage_invalid",
    "stage_disabled",
    "invalid_request",
    "too_large",
    "not_allowed",
    "not_found",
  ],
  ...["superseded", "internal", "unavailable", "", "nonsense", "__proto__"],
];

const waits = [
  ...["0", "1", " 2 ", "60", "3600", "4294967", "4294967295", "99999999999999", "-1", "1.5", "1e3"],
  ...["", "Wed, 21 Oct 2099 07:28:00 GMT", "soon"],
];

/**
 * An answer nearly as `good`, or none.
 *
 * @param {import("./choices.js").Choices} choices
 * @param {{ json?: unknown, text?: string }} good
 */
export function nearlyAnswer(choices, good) {
  if (choices.once(12)) return failure(choices);
  let body = good.json === undefined ? good.text : nearlyJson(choices, good.json);
  if (choices.once(8)) body = choices.of(texts);
  if (choices.once(15)) body = body.slice(0, choices.below(body.length + 1));
  let source = JSON.stringify(body);
  if (choices.once(25)) source = `new Uint8Array([255, 254, 0, 192, 123])`;
  if (choices.once(25)) source = broken(choices);
  const headers = [];
  if (choices.once(6)) headers.push(["distcompute-error", choices.of(codes)]);
  if (choices.once(6)) headers.push(["retry-after", choices.of(waits)]);
  let status = choices.once(2) ? choices.of(statuses) : 200;
  if (choices.once(40)) [status, source] = [choices.of(empty), "null"];
  return `new Response(${source}, { status: ${status}, headers: ${JSON.stringify(headers)} })`;
}

/** A body that does not come to its end. */
function broken(choices) {
  const some = "to.enqueue(new Uint8Array([123, 34]))";
  return choices.of([
    `new ReadableStream({ start(to) { ${some}; to.error(new TypeError("cut")) } })`,
    `new ReadableStream({ start(to) { ${some}; to.error(hostile({}, excuse)) } })`,
    `new ReadableStream({ start(to) { ${some}; to.close() } })`,
  ]);
}

/** What a `fetch` comes to that fails, or that the page has replaced. */
function failure(choices) {
  const kind = choices.below(7);
  if (kind === 0) return 'rejected(new TypeError("Failed to fetch"))';
  if (kind === 1) return "new Promise(() => {})";
  if (kind === 2) return `rejected(${anything(choices)})`;
  if (kind === 3) return anything(choices);
  if (kind === 4) return "Response.error()";
  if (kind === 5) return 'Object.assign(new Response("x"), { text: () => new Promise(() => {}) })';
  const [status, header, text] = [0, 1, 2].map(() => anything(choices));
  return `({ status: ${status}, headers: { get: () => (${header}) }, text: () => (${text}) })`;
}
