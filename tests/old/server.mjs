// Serves the tracker of the first protocol in tracker.mjs over HTTP:
//
//   node tests/old/server.mjs --jobs 100 --files /page=www
//
// prints `listening on http://127.0.0.1:PORT`. Apart from the protocol, `GET /test/state` answers the
// tracker's state as JSON, and `POST /test/forget` deletes all workers as if they had been idle for too
// long. Like the original, it sends no CORS headers unless --cors is given.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { parseArgs } from "node:util";

import { isMain } from "../../scripts/failure.mjs";
import { jobText, json, OldTracker, text } from "./tracker.mjs";

export const corsHeaders = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Retry-After",
};

export const preflightHeaders = {
  "Access-Control-Allow-Methods": "GET, POST",
  "Access-Control-Allow-Headers": "Content-Type",
  "Access-Control-Max-Age": "7200",
};

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** Reads a request completely, as an object for `OldTracker`. */
export async function readRequest(incoming, url, path = url.pathname) {
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

export function send(response, { status, type, body, headers }, cors) {
  response.writeHead(status, { "Content-Type": type, ...cors, ...headers }).end(body);
}

/** Listens on this machine. Resolves to the address, and a function that closes all connections. */
export function listen(server, { port = 0, host = "127.0.0.1" } = {}) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const stop = () =>
        new Promise((ended) => {
          server.close(() => ended());
          server.closeAllConnections();
        });
      resolve({ url: `http://${host}:${server.address().port}`, stop });
    });
  });
}

/** The content of a served folder at this path, or undefined. The longest prefix wins. */
function fileAt(path, files) {
  const prefixes = Object.keys(files).sort((one, other) => other.length - one.length);
  for (const prefix of prefixes) {
    const base = prefix.replace(/\/$/, "");
    if (path !== base && !path.startsWith(`${base}/`)) continue;
    const folder = resolve(files[prefix]);
    let file = resolve(folder, `.${decodeURIComponent(path.slice(base.length))}`);
    if (file === folder) file = join(folder, "index.html");
    if (!file.startsWith(folder + sep)) return undefined;
    try {
      const type = types[extname(file)] ?? "application/octet-stream";
      return { status: 200, type, body: readFileSync(file) };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/**
 * Starts a tracker.
 *
 * @param {{ jobs?: number, jsonl?: string, port?: number, stages?: Record<string, string>,
 *   idleTimeoutMs?: number, cors?: boolean, files?: Record<string, string> }} [options] `jsonl` is the
 *   path of a file with one job per line, which replaces `jobs`; `files` are folders by the path at
 *   which they are served, so that a page and the tracker can share an origin
 */
export async function startOldTracker(options = {}) {
  const { jobs = 100, jsonl, port, stages, idleTimeoutMs, cors = false, files = {} } = options;
  const list =
    jsonl === undefined
      ? Array.from({ length: jobs }, (_, index) => ({ shard: index + 1 }))
      : readFileSync(jsonl, "utf8")
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line));
  const dataOf = (number) => jobText(list[number - 1]);
  const tracker = new OldTracker({ jobs: list.length, dataOf, stages, idleTimeoutMs });
  const headers = cors ? corsHeaders : {};

  function answer(request) {
    const { method, path } = request;
    if (method === "GET" && path === "/test/state") return json(200, tracker.state());
    if (method === "POST" && path === "/test/forget") {
      tracker.deleteIdle(0);
      return text(200, "200 OK");
    }
    const file = method === "GET" ? fileAt(path, files) : undefined;
    return file ?? tracker.answer(request);
  }

  const server = createServer(async (incoming, response) => {
    try {
      const request = await readRequest(incoming, new URL(incoming.url, "http://localhost"));
      if (request.method !== "OPTIONS") return send(response, answer(request), headers);
      if (!cors) return send(response, text(405, "Method Not Allowed"), {});
      response.writeHead(204, { ...corsHeaders, ...preflightHeaders }).end();
    } catch {
      incoming.socket.destroy();
    }
  });
  const { url, stop } = await listen(server, { port });
  return {
    url,
    stop,
    /** All jobs, workers and credits. */
    state: () => tracker.state(),
    /** Deletes all workers, as if they had been idle for too long. */
    forget: () => tracker.deleteIdle(0),
  };
}

/** Parses `NAME=VALUE` arguments. */
function pairs(list = []) {
  return Object.fromEntries(
    list.map((pair) => [pair.split("=")[0], pair.slice(pair.indexOf("=") + 1)]),
  );
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      jobs: { type: "string" },
      jsonl: { type: "string" },
      stage: { type: "string", multiple: true },
      cors: { type: "boolean" },
      files: { type: "string", multiple: true },
    },
  });
  const { port, jobs, jsonl, stage, cors, files } = values;
  const { url } = await startOldTracker({
    ...(port && { port: Number(port) }),
    ...(jobs && { jobs: Number(jobs) }),
    ...(stage && { stages: pairs(stage) }),
    ...{ jsonl, cors, files: pairs(files) },
  });
  process.on("SIGTERM", () => process.exit(0));
  console.log(`listening on ${url}`);
}
