// A TCP proxy in front of a server that can be away: it refuses connections, as where no server listens, or
// accepts them and is silent, as where a network swallows what is sent.

import { connect, createServer } from "node:net";

/**
 * @param {string} url the server's
 * @returns {Promise<{ url: string, refuse: () => Promise<void>, silence: () => Promise<void>,
 *   open: () => Promise<void>, stop: () => Promise<void> }>}
 */
export async function startGate(url) {
  const { hostname: host, port: behind } = new URL(url);
  const sockets = new Set();
  let port = 0;
  let silent = false;
  let server;

  const keep = (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const join = (caller) => {
    keep(caller);
    if (silent) return;
    const answerer = connect({ host, port: Number(behind), noDelay: true });
    keep(answerer);
    for (const [one, other] of [
      [caller, answerer],
      [answerer, caller],
    ]) {
      one.pipe(other);
      one.on("close", () => other.destroy());
    }
  };
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async () => {
    const closed = new Promise((resolve) => (server ? server.close(resolve) : resolve()));
    server = undefined;
    cut();
    await closed;
  };
  const listen = async () => {
    if (server) return;
    const next = createServer({ noDelay: true }, join);
    await new Promise((resolve, reject) => {
      next.once("error", reject);
      next.listen(port, "127.0.0.1", resolve);
    });
    port = next.address().port;
    server = next;
  };

  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    refuse: close,
    silence: async () => {
      silent = true;
      cut();
      await listen();
    },
    open: async () => {
      silent = false;
      cut();
      await listen();
    },
    stop: close,
  };
}
