// A tracker that misbehaves on request, for the tests of the client. The first part of the path
// selects the behaviour, so that each of these is the base address of a tracker:
//
//   /old                 a correct tracker of the first protocol (tests/old)
//   /no-cors             the same without CORS headers, like the original tracker
//   /redirect            redirects every request to /old
//   /leaves              registers workers and hands out jobs, and redirects everything else to /old
//   /slow/MS             /old, but each answer takes MS milliseconds
//   /hang                registers workers, and never answers any other request
//   /flaky/N             resets the connection for the first N requests of each call, then /old
//   /busy/N/S            503 with `Retry-After: S` for the first N requests of each call, then /old
//   /swallow-complete    accepts the first completeJob, but resets the connection instead of answering
//   /fail/CALL/CODE      answers one call (for example completeJob) with a status, the rest like /old
//   /status/CODE         answers everything with that status
//   /html                answers everything with 200 and a web page
//   /json                answers everything with 200 and a JSON object that is no answer of a tracker
//   /garbage             answers everything with 200 and something that is not JSON
//   /endless/CALL        never ends its answer to one call (new, sync or project); the calls before it
//                        are answered so that a client makes it
//   /null-data           /old, but the data of each job is null
//   /bad-json-data       /old, but the data of each job is marked as JSON and is malformed
//   /deep-data           /old, but the data of each job is an array nested 4,000 levels deep
//   /file/HOW            a file of 300,000 bytes of 7, from `whole`; the connection breaks after a half of
//                        it the first time (`cut`, and `plain` without ranges) or each time (`never`), the
//                        answer ends early (`short`), goes on (`longer`), stops (`stalls`) or has other bytes
//                        (`other`). A PUT is answered 200, and 410 by `gone`.
//
// `/s/ID` after it (/flaky/2/s/my-test) gives a test its own tracker and its own log.
// `GET /log?base=/old/s/ID` answers the list of requests at that base without preflights:
// { method, path, query, type, body, time, bytes, closed }. `time` is in milliseconds since 1970,
// `bytes` is how much of an endless answer was written, and `closed` is whether its connection is closed.
// Browsers may repeat a POST by themselves when a connection breaks; the log contains both requests.

import { createServer, STATUS_CODES } from "node:http";

import { isMain } from "../../scripts/failure.mjs";
import { corsHeaders, listen, preflightHeaders, readRequest, send } from "../old/server.mjs";
import { json, OldTracker, text } from "../old/tracker.mjs";

const page = "<!doctype html><title>A router</title><h1>Please log in</h1>";
const html = { status: 200, type: "text/html; charset=utf-8", body: page };
const foreign = json(200, { hello: "world" });
const garbage = { status: 200, type: "application/json", body: "}} this is not JSON {{" };

function deepList() {
  let list = [];
  for (let depth = 0; depth < 4000; depth += 1) list = [list];
  return list;
}

/** Returned instead of an answer: resets the connection, never answers, or never ends the answer. */
const broken = Symbol("broken");
const waiting = Symbol("waiting");
const endless = Symbol("endless");

/** The registration of a tracker with `sync`. */
const registration = json(200, {
  ...{ token: "secret", display_name: "Ada", project: "Endless", stage_name: "Work" },
  ...{ extensions: ["sync"], lease_s: 300, max_body: 1e12, app_version: "" },
});

/**
 * The behaviours. `args` is the number of parts of the path that belong to it; `handle` gets these
 * parts as `args`, and how many requests of the same call there were before at this base as `seen`.
 */
const behaviours = {
  old: { args: 0, handle: ({ tracker, request }) => tracker.answer(request) },
  "no-cors": { args: 0, cors: false, handle: ({ tracker, request }) => tracker.answer(request) },
  redirect: { args: 0, handle: redirect },
  leaves: {
    args: 0,
    handle: (asked) =>
      ["/api/new", "/api/newJob"].includes(asked.request.path)
        ? asked.tracker.answer(asked.request)
        : redirect(asked),
  },
  slow: {
    args: 1,
    delay: ([ms]) => Number(ms),
    handle: ({ tracker, request }) => tracker.answer(request),
  },
  hang: {
    args: 0,
    handle: ({ tracker, request }) =>
      request.path === "/api/new" ? tracker.answer(request) : waiting,
  },
  flaky: {
    args: 1,
    handle: ({ tracker, request, args: [times], seen }) =>
      seen < Number(times) ? broken : tracker.answer(request),
  },
  busy: {
    args: 2,
    handle: ({ tracker, request, args: [times, seconds], seen }) =>
      seen < Number(times) ? busy(seconds) : tracker.answer(request),
  },
  "swallow-complete": { args: 0, handle: swallow },
  fail: {
    args: 2,
    handle: ({ tracker, request, args: [call, code] }) =>
      request.path === `/api/${call}` ? status(code) : tracker.answer(request),
  },
  status: { args: 1, handle: ({ args: [code] }) => status(code) },
  html: { args: 0, handle: () => html },
  json: { args: 0, handle: () => foreign },
  garbage: { args: 0, handle: () => garbage },
  endless: {
    args: 1,
    handle: ({ request, args: [call] }) => {
      if (request.path === `/api/${call}`) return endless;
      // A client asks for the project only where registering fails.
      return call === "project" ? broken : registration;
    },
  },
  file: { args: 1, file: true, handle: () => broken },
  "null-data": {
    args: 0,
    dataOf: () => null,
    handle: ({ tracker, request }) => tracker.answer(request),
  },
  "deep-data": {
    args: 0,
    dataOf: deepList,
    handle: ({ tracker, request }) => tracker.answer(request),
  },
  "bad-json-data": {
    args: 0,
    dataOf: () => "<!json!>{oops",
    handle: ({ tracker, request }) => tracker.answer(request),
  },
};

function redirect({ base, request }) {
  const target = base.replace(/^\/(redirect|leaves)/, "/old") + request.path + request.search;
  // 307 keeps the method and the body.
  return { ...text(307, ""), headers: { Location: target } };
}

function busy(seconds) {
  return { ...text(503, "Service Unavailable"), headers: { "Retry-After": seconds } };
}

function status(code) {
  return text(Number(code), STATUS_CODES[code] ?? "Unknown");
}

function swallow({ tracker, request, seen }) {
  const answer = tracker.answer(request);
  return request.path === "/api/completeJob" && seen === 0 ? broken : answer;
}

/** Splits a path into the base of a tracker and the rest. Undefined if there is no such behaviour. */
export function splitPath(path) {
  const [name, ...parts] = path.split("/").slice(1);
  if (!Object.hasOwn(behaviours, name)) return undefined;
  const behaviour = behaviours[name];
  const args = parts.slice(0, behaviour.args);
  let rest = parts.slice(behaviour.args);
  const own = rest[0] === "s" ? rest.slice(0, 2) : [];
  rest = rest.slice(own.length);
  const base = ["", name, ...args, ...own].join("/");
  return { behaviour, args, base, path: `/${rest.join("/")}` };
}

/** Writes without end, as fast as the client reads, and counts the bytes. */
function sendEndless(response, cors, entry) {
  response.writeHead(200, { "Content-Type": "application/json", ...cors });
  const chunk = Buffer.alloc(65_536, "[");
  const more = () => {
    while (!response.destroyed) {
      entry.bytes += chunk.length;
      if (!response.write(chunk)) return;
    }
  };
  response.on("drain", more);
  more();
}

/** Answers with a file, or takes a part of one. */
function sendFile({ method, headers }, response, how, seen) {
  if (method === "PUT") {
    const exposed = { "Access-Control-Expose-Headers": "Distcompute-Error, Retry-After" };
    const headers = { "Distcompute-Error": "upload_expired", ...exposed };
    return send(response, { ...text(how === "gone" ? 410 : 200, ""), headers }, corsHeaders);
  }
  const whole = Buffer.alloc(how === "longer" ? 400_000 : 300_000, how === "other" ? 8 : 7);
  const range = how === "plain" ? null : /^bytes=(\d+)-$/.exec(headers.range ?? "");
  const end = how === "short" ? 200_000 : whole.length;
  const body = whole.subarray(Number(range?.[1] ?? 0), end);
  const length = { "Content-Length": body.length, ...corsHeaders };
  response.writeHead(range ? 206 : 200, length);
  const breaks = how === "never" || (["cut", "plain"].includes(how) && seen === 0);
  if (how !== "stalls" && !breaks) return response.end(body);
  // What has been handed to the network arrives before the connection is reset.
  const half = body.subarray(0, how === "never" ? 1_000 : 150_000);
  response.write(half, () => how !== "stalls" && setTimeout(() => response.destroy(), 200));
}

/** A server that is not listening yet, and its log. */
function faultyServer() {
  /** @type {Map<string, { tracker: OldTracker, log: any[], seen: Map<string, number> }>} */
  const bases = new Map();

  function stateOf({ base, behaviour }) {
    if (!bases.has(base)) {
      const tracker = new OldTracker({ dataOf: behaviour.dataOf });
      bases.set(base, { tracker, log: [], seen: new Map() });
    }
    return bases.get(base);
  }

  async function handle(incoming, response) {
    const url = new URL(incoming.url, "http://localhost");
    const split = splitPath(url.pathname);
    if (incoming.method === "OPTIONS") return preflight(split, response);
    if (url.pathname === "/log") {
      return send(response, json(200, log(url.searchParams.get("base") ?? "")), corsHeaders);
    }
    if (!split) return send(response, text(404, "Not Found"), corsHeaders);
    const { behaviour, base, path, args } = split;
    const request = await readRequest(incoming, url, path);
    const state = stateOf(split);
    const { method, type, body, search } = request;
    const time = Date.now();
    const entry = { method, path, query: search, type, body, time, bytes: 0, closed: false };
    state.log.push(entry);
    response.on("close", () => (entry.closed = true));
    const seen = state.seen.get(path) ?? 0;
    state.seen.set(path, seen + 1);
    const answer = behaviour.handle({ tracker: state.tracker, request, args, base, seen });
    if (behaviour.file) return sendFile(incoming, response, args[0], seen);
    if (answer === broken) return incoming.socket.destroy();
    if (answer === waiting) return;
    const cors = behaviour.cors === false ? {} : corsHeaders;
    if (answer === endless) return sendEndless(response, cors, entry);
    setTimeout(() => send(response, answer, cors), behaviour.delay?.(args) ?? 0);
  }

  const log = (base) => bases.get(base.replace(/\/$/, ""))?.log ?? [];

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => incoming.socket.destroy());
  });
  return { server, log };
}

function preflight(split, response) {
  if (split?.behaviour.cors === false) return send(response, text(405, "Method Not Allowed"), {});
  const files = {
    "Access-Control-Allow-Methods": "GET, PUT",
    "Access-Control-Allow-Headers": "Range",
  };
  const allowed = { ...preflightHeaders, ...(split?.behaviour.file ? files : {}) };
  response.writeHead(204, { ...corsHeaders, ...allowed }).end();
}

/**
 * Starts a server. `log` returns the requests at a base, as `GET /log` does.
 *
 * @returns {Promise<{ url: string, stop: () => Promise<void>, log: (base: string) => any[] }>}
 */
export async function startFaultyServer({ port = 0, host = "127.0.0.1" } = {}) {
  const { server, log } = faultyServer();
  return { ...(await listen(server, { port, host })), log };
}

if (isMain(import.meta.url)) {
  const { url } = await startFaultyServer({ port: Number(process.argv[2] ?? 0) });
  console.log(`listening on ${url}`);
}
