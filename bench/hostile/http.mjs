// HTTP calls in the name of a client at the address `from`, as a proxy on this machine would forward them.

import { Agent, request } from "node:http";

const patienceMs = 60_000;

/** An agent that keeps its connections alive, with at most `maxSockets` of them. */
export const connections = (maxSockets = Infinity) => new Agent({ keepAlive: true, maxSockets });

/**
 * Makes a call, and rejects if there is no complete answer. Without `from` the client is this machine,
 * which is exempt from the rate limits.
 *
 * @param {{ url: string, path: string, from?: string, agent?: Agent, body?: Buffer[] | object,
 *   headers?: Record<string, string>, timeoutMs?: number }} call `body` is posted as JSON, or as the
 *   concatenation of buffers
 * @returns {Promise<{ status: number, headers: any, body: Buffer }>}
 */
export function ask({ url, path, from, agent, body, headers = {}, timeoutMs = patienceMs }) {
  const { hostname, port } = new URL(url);
  const parts = partsOf(body);
  const method = parts ? "POST" : "GET";
  const via = from === undefined ? {} : { "x-forwarded-for": from };
  const all = { ...via, ...(parts && bodyHeaders(parts)), ...headers };
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, path, method, agent, headers: all, timeout: timeoutMs });
    call.once("timeout", () => call.destroy(new Error("no answer came")));
    // There can be several errors if the server answers before the whole body has been sent.
    call.on("error", reject);
    call.once("socket", (socket) => {
      // Errors after the answer are emitted only by the socket.
      if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore);
    });
    call.once("response", (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.once("end", () => {
        const { statusCode: status, headers } = answer;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    for (const part of parts ?? []) call.write(part);
    call.end();
  });
}

function ignore() {}

/** @returns {Buffer[] | undefined} */
function partsOf(body) {
  if (body === undefined || Array.isArray(body)) return body;
  return [Buffer.from(JSON.stringify(body))];
}

/** The head of such a request as text, for writing it to a socket. */
export function head({ path, from, length }) {
  const lines = [`x-forwarded-for: ${from}`, "host: tracker"];
  if (length !== undefined)
    lines.push("content-type: application/json", `content-length: ${length}`);
  const method = length === undefined ? "GET" : "POST";
  return `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

function bodyHeaders(parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return { "content-type": "application/json", "content-length": String(length) };
}

/** Parses a JSON answer. Undefined for the answer of a sink. */
export function jsonOf({ status, body }) {
  try {
    return status === 200 ? JSON.parse(body.toString()) : undefined;
  } catch {
    return undefined;
  }
}
