// Serves a test page and the npm package from an origin of their own.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/**
 * Serves the folder `page` under /page/ and the package under /pkg/.
 *
 * @param {{ page: string, packageDir: string, prelude?: () => string }} options `prelude` returns code
 *   that is prepended to worker.js, for example to replace a browser API in the workers
 */
export async function serveSite({ page, packageDir, prelude = () => "" }) {
  const folders = { pkg: packageDir, page };
  const server = createServer((incoming, outgoing) => {
    const [, folder, ...rest] = new URL(incoming.url, "http://localhost").pathname.split("/");
    const name = rest.join("/") || "index.html";
    try {
      if (name.includes("..")) throw new Error("outside the folder");
      const file = readFileSync(join(folders[folder], name));
      const body = name === "worker.js" ? `${prelude()}\n${file}` : file;
      const type = types[extname(name)] ?? "text/plain";
      outgoing.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
    } catch {
      outgoing.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => (server.close(), server.closeAllConnections());
  return { url: `http://127.0.0.1:${server.address().port}/page/`, stop };
}
