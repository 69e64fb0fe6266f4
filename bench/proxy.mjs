// A proxy between volunteers and a tracker for benchmarks. It delays each answer, counts requests, and can
// hide our extensions, so that the tracker looks like one of the first protocol. Because it shares the
// machine with what is measured, it parses only the first line of each request: browsers send one request
// at a time per connection, so the first data after an answer is a new request.

import { connect, createServer } from "node:net";

/** A tracker's answer for unknown paths. */
const notFound =
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n" +
  "Content-Length: 9\r\nConnection: close\r\n\r\nNot Found";

/**
 * @param {{ url: string, delayMs?: number, old?: boolean }} to `url` is the tracker's; `old` hides our
 *   extensions of the first protocol
 * @returns {Promise<{ url: string, requests: { at: number, path: string }[],
 *   answered: number[], answer: () => Promise<void>, stop: () => Promise<void> }>} `requests` grows by
 *   each call of the API and `answered` by the time when the tracker has answered one, for which
 *   `answer` waits; times are those of `performance.now()`
 */
export function startProxy({ url, delayMs = 0, old = false }) {
  const { hostname: host, port } = new URL(url);
  const later = delayMs > 0 ? (act) => setTimeout(act, delayMs) : (act) => act();
  const requests = [];
  const answered = [];
  const open = new Set();
  const waiting = [];
  const server = createServer({ noDelay: true }, (volunteer) => {
    const tracker = connect({ host, port: Number(port), noDelay: true });
    // The path of the request that has not been answered yet.
    let path;
    volunteer.on("data", (chunk) => {
      if (path === undefined) {
        path = pathIn(chunk);
        if (path.startsWith("/api/")) requests.push({ at: performance.now(), path });
      }
      if (old && path === "/api/sync") later(() => volunteer.end(notFound));
      else tracker.write(chunk);
    });
    tracker.on("data", (chunk) => {
      const answer = old && path === "/api/new" ? withoutOurs(chunk) : chunk;
      if (path?.startsWith("/api/")) {
        answered.push(performance.now());
        for (const tell of waiting.splice(0)) tell();
      }
      path = undefined;
      later(() => volunteer.write(answer));
    });
    volunteer.on("end", () => tracker.end());
    tracker.on("end", () => later(() => volunteer.end()));
    for (const [one, other] of [
      [volunteer, tracker],
      [tracker, volunteer],
    ]) {
      open.add(one);
      // Browsers reset connections when a page is closed.
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
    }
  });
  const answer = () => new Promise((tell) => waiting.push(tell));
  const stop = () =>
    new Promise((ended) => {
      server.close(() => ended());
      for (const socket of open) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        requests,
        answered,
        answer,
        stop,
      }),
    );
  });
}

/** The path in the first line of a request. */
function pathIn(chunk) {
  const line = chunk.latin1Slice(0, Math.min(chunk.length, 200));
  return line.split(/[ ?]/, 2)[1] ?? "";
}

/** Replaces our extensions in an answer of `/api/new` by spaces, so that its length stays the same. */
function withoutOurs(answer) {
  const blank = (ours) => " ".repeat(ours.length);
  return Buffer.from(
    answer.toString("latin1").replace(/,"extensions":.*(?=\}$)/s, blank),
    "latin1",
  );
}
