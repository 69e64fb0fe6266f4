// A server that misbehaves on request, for the tests of the client. The first part of the path
// chooses how, so each of these is the base address of a tracker:
//
//   /old                 a correct tracker of the old protocol (tracker.mjs)
//   /no-cors             the same without CORS headers, as old trackers really are
//   /redirect            sends everything on to /old
//   /leaves              registers workers and gives jobs, and sends everything else on to /old
//   /slow/MS             /old, but each answer takes MS milliseconds
//   /hang                registers workers and never answers anything else
//   /flaky/N             breaks the connection for the first N requests of each call, then /old
//   /busy/N/S            503 with `Retry-After: S` for the first N requests of each call, then /old
//   /swallow-complete    takes the first completeJob and breaks the connection instead of answering
//   /fail/CALL/CODE      answers one call (for example completeJob) with a status, the rest as /old
//   /status/CODE         answers everything with that status
//   /html                answers everything with 200 and a web page
//   /garbage             answers everything with 200 and something that is not JSON
//   /null-data           /old, but the data of each job is null
//   /bad-json-data       /old, but the data of each job is marked as JSON and is none
//   /deep-data           /old, but the data of each job is a list in a list, 4,000 deep
//
// `/s/ID` after it (/flaky/2/s/my-test) gives a test a tracker and a log of its own.
// `GET /log?base=/old/s/ID` answers a list of the requests seen there, preflights left out:
// { method, path, query, type, body, time }, `time` in milliseconds since 1970.
// A browser may send a POST again by itself when a connection breaks; the log has both.

import { createServer, STATUS_CODES } from "node:http";
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { json, OldTracker, text } from "./tracker.mjs";

const page = "<!doctype html><title>A router</title><h1>Please log in</h1>";
const html = { status: 200, type: "text/html; charset=utf-8", body: page };
const garbage = { status: 200, type: "application/json", body: "}} this is not JSON {{" };

function deepList() {
  let list = [];
  for (let depth = 0; depth < 4000; depth += 1) list = [list];
  return list;
}

/** Instead of an answer: the connection is broken, or left waiting. */
const broken = Symbol("broken");
const waiting = Symbol("waiting");

/**
 * What a behaviour does with a request: `args` are the parts of the path that belong to it,
 * `seen` is how often this call was made before at this base.
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
  garbage: { args: 0, handle: () => garbage },
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

/** Splits a path into the base of a tracker and the rest, or undefined if no behaviour has it. */
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

const corsHeaders = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Retry-After",
};

const preflightHeaders = {
  "Access-Control-Allow-Methods": "GET, POST",
  "Access-Control-Allow-Headers": "Content-Type",
  "Access-Control-Max-Age": "7200",
};

/** A server that nobody listens to yet. All its state is its own. */
export function faultyServer() {
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
    if (url.pathname === "/log") return log(url, response);
    if (!split) return send(response, text(404, "Not Found"), corsHeaders);
    const { behaviour, base, path, args } = split;
    const request = await readRequest(incoming, url, path);
    const state = stateOf(split);
    const { method, type, body, search } = request;
    state.log.push({ method, path, query: search, type, body, time: Date.now() });
    const seen = state.seen.get(path) ?? 0;
    state.seen.set(path, seen + 1);
    const answer = behaviour.handle({ tracker: state.tracker, request, args, base, seen });
    if (answer === broken) return incoming.socket.destroy();
    if (answer === waiting) return;
    const cors = behaviour.cors === false ? {} : corsHeaders;
    setTimeout(() => send(response, answer, cors), behaviour.delay?.(args) ?? 0);
  }

  function log(url, response) {
    const base = (url.searchParams.get("base") ?? "").replace(/\/$/, "");
    send(response, json(200, bases.get(base)?.log ?? []), corsHeaders);
  }

  return createServer((incoming, response) => {
    handle(incoming, response).catch(() => incoming.socket.destroy());
  });
}

function preflight(split, response) {
  if (split?.behaviour.cors === false) return send(response, text(405, "Method Not Allowed"), {});
  response.writeHead(204, { ...corsHeaders, ...preflightHeaders }).end();
}

async function readRequest(incoming, url, path) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return {
    method: incoming.method,
    path,
    search: url.search,
    query: url.searchParams,
    type: incoming.headers["content-type"] ?? "",
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

function send(response, { status, type, body, headers }, cors) {
  response.writeHead(status, { "Content-Type": type, ...cors, ...headers }).end(body);
}

/**
 * Starts one.
 *
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export function startFaultyServer({ port = 0, host = "127.0.0.1" } = {}) {
  const server = faultyServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const stop = () =>
        new Promise((ended) => {
          server.close(() => ended());
          // Those that hang would keep it open for ever.
          server.closeAllConnections();
        });
      resolve({ url: `http://${host}:${server.address().port}`, stop });
    });
  });
}

if (process.argv[1] && pathToFileURL(realpathSync(process.argv[1])).href === import.meta.url) {
  const { url } = await startFaultyServer({ port: Number(process.argv[2] ?? 0) });
  console.log(`listening on ${url}`);
}
