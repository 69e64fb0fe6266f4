// An HTTP proxy between a browser and a tracker that injects network faults. It can also hide our
// extensions, so that our tracker looks like one of the first protocol.

import { createServer, request } from "node:http";

const away = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Retry-After",
  "retry-after": "1",
};

/**
 * @param {import("node:test").TestContext} t stops the proxy when the test ends
 * @param {{ url: string, old?: boolean }} to `url` is the tracker's; `old` hides our extensions of the
 *   first protocol
 */
export async function startProxy(t, { url, old = false }) {
  const { hostname, port } = new URL(url);
  const proxy = {
    url: "",
    /**
     * "on" forwards everything, "off" resets connections, "silent" never answers, "busy" answers 503, and
     * "deaf" forwards requests but resets the connection instead of answering.
     *
     * @type {"on" | "off" | "silent" | "busy" | "deaf"}
     */
    network: "on",
    /**
     * Selects the requests that the proxy answers itself, with a page and { status, location?, bare? };
     * `bare` omits the CORS headers.
     *
     * @type {(request: { path: string, length: number }) => any}
     */
    refuses: () => false,
    /** The requests so far without preflights: { method, path, range, body, at }. Parts of files have no body here. */
    requests: [],
    /**
     * After how many bytes an answer breaks off, or undefined. 0: it is not given at all.
     *
     * @type {(answer: { method: string, path: string, length: number }) => number | undefined}
     */
    cuts: () => undefined,
    /**
     * How long a request waits before it is forwarded, in milliseconds.
     *
     * @type {(request: { method: string, path: string }) => number}
     */
    delays: () => 0,
    /** The number of CORS preflights. */
    preflights: 0,
    /** The number of registrations that took effect, but whose answers were lost. */
    unheard: 0,
  };
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method, headers, url: path } = incoming;
    const call = path.split("?")[0];
    if (method !== "OPTIONS") {
      const text = method === "PUT" ? "" : body.toString();
      const entry = { method, path: call, range: headers.range, body: text, at: Date.now() };
      proxy.requests.push(entry);
    } else {
      proxy.preflights += 1;
    }
    if (proxy.network === "off") return void incoming.socket.destroy();
    if (proxy.network === "silent") return;
    if (proxy.network === "busy") return void outgoing.writeHead(503, away).end("Busy");
    const refusal = proxy.refuses({ path: call, length: body.length });
    if (refusal && method !== "OPTIONS") {
      const { status, location, bare } = refusal;
      const head = { ...(bare ? {} : away), "content-type": "text/html" };
      if (location) head.location = location + path;
      return void outgoing.writeHead(status, head).end("<html><center>nginx</center></html>");
    }
    const isOurs = call === "/api/sync" || call === "/api/nonce";
    if (old && isOurs) return void outgoing.writeHead(404, away).end("Not Found");
    await new Promise((resolve) => setTimeout(resolve, proxy.delays({ method, path: call })));
    const from = await pass({ hostname, port, method, path, headers }, body).catch(() => undefined);
    if (!from || proxy.network !== "on") {
      if (from && call === "/api/new") proxy.unheard += 1;
      return void incoming.socket.destroy();
    }
    const cut = proxy.cuts({ method, path: call, length: from.body.length });
    if (cut === 0) return void incoming.socket.destroy();
    const answer = old && call === "/api/new" ? withoutOurs(from.body) : from.body;
    const { "content-length": _, "transfer-encoding": __, ...rest } = from.headers;
    outgoing.writeHead(from.status, { ...rest, "content-length": answer.length });
    if (cut === undefined || method === "OPTIONS") return void outgoing.end(answer);
    outgoing.write(answer.subarray(0, cut), () => setTimeout(() => outgoing.destroy(), 100));
  });
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return proxy;
}

function pass(to, body) {
  return new Promise((resolve, reject) => {
    const ask = request({ ...to, agent: false }, async (incoming) => {
      try {
        const chunks = [];
        for await (const chunk of incoming) chunks.push(chunk);
        const { statusCode: status, headers } = incoming;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      } catch (error) {
        reject(error);
      }
    });
    ask.on("error", reject).end(body);
  });
}

function withoutOurs(body) {
  const { token, display_name, project, stage_name } = JSON.parse(body.toString());
  return Buffer.from(JSON.stringify({ token, display_name, project, stage_name }));
}
