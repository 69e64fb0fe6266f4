// Finding a free TCP port.

import { createServer } from "node:net";

import { Failure } from "./failure.mjs";

const tries = 100;

/** Whether a server could listen on this port now. */
export function isFree(port, host) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") return resolve(false);
      reject(
        new Failure(`It is not possible to listen on ${host}: ${error.message}`, {
          remedy: "give an address of this machine: npm start -- --listen 127.0.0.1",
        }),
      );
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Returns the first free port from `wanted` on. 0 stays 0, which lets the system choose. */
export async function freePort(wanted, host, free = isFree) {
  if (wanted === 0) return 0;
  for (let port = wanted; port < wanted + tries && port <= 65_535; port++) {
    if (await free(port, host)) return port;
  }
  throw new Failure(`There is no free port from ${wanted} on.`, {
    why: "The tracker listens on it.",
    remedy: "choose another: npm start -- --port 9000",
  });
}
