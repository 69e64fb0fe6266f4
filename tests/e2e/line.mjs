// A slow line between a browser and a tracker: so many bits a second each way, shared by all
// connections, and a delay. What goes through it are bytes; it knows nothing of HTTP.

import { connect, createServer } from "node:net";

/** What a connection may have on its way, so that one does not keep the line from the others. */
const window = 8 * 1024;

/**
 * @param {import("node:test").TestContext} t ends it with the test
 * @param {{ url: string, kbit: number, delayMs: number }} to `url` is the tracker's, `delayMs` the time
 *   to the tracker and back
 * @returns {Promise<{ url: string, bytes: { down: number, up: number } }>} `bytes` grows by what has
 *   come through
 */
export async function startLine(t, { url, kbit, delayMs }) {
  const { hostname: host, port } = new URL(url);
  const bytes = { down: 0, up: 0 };
  /** When each way is free again. */
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
