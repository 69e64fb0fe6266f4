// A TCP proxy that simulates a slow connection between a browser and a tracker: a bandwidth for each
// direction, shared by all connections, and a delay.

import { connect, createServer } from "node:net";

/** The maximum number of bytes in flight per connection, so that one does not starve the others. */
const window = 8 * 1024;

/**
 * @param {import("node:test").TestContext} t stops the proxy when the test ends
 * @param {{ url: string, kbit: number, delayMs: number }} to `url` is the tracker's, `kbit` the bandwidth
 *   in kbit/s, `delayMs` the delay of a round trip
 * @returns {Promise<{ url: string, bytes: { down: number, up: number } }>} `bytes` counts the bytes that
 *   were transmitted
 */
export async function startLine(t, { url, kbit, delayMs }) {
  const { hostname: host, port } = new URL(url);
  const bytes = { down: 0, up: 0 };
  /** The time at which each direction is idle again. */
  const free = { down: 0, up: 0 };
  const open = new Set();

  /** @param {"down" | "up"} way */
  function carry(from, to, way) {
    let onItsWay = 0;
    from.on("data", (chunk) => {
      const now = performance.now();
      free[way] = Math.max(now, free[way]) + (chunk.length * 8) / kbit;
      onItsWay += chunk.length;
      if (onItsWay > window) from.pause();
      setTimeout(
        () => {
          bytes[way] += chunk.length;
          onItsWay -= chunk.length;
          if (onItsWay <= window) from.resume();
          if (!to.destroyed) to.write(chunk);
        },
        free[way] - now + delayMs / 2,
      );
    });
    from.on("end", () =>
      setTimeout(() => to.end(), Math.max(0, free[way] - performance.now()) + delayMs),
    );
    from.on("error", () => to.destroy());
    from.on("close", () => open.delete(from));
    open.add(from);
  }

  const server = createServer({ noDelay: true }, (browser) => {
    const tracker = connect({ host, port: Number(port), noDelay: true, highWaterMark: window });
    carry(browser, tracker, "up");
    carry(tracker, browser, "down");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, bytes };
}
