// The page of `tests/lines/page` and the package, from an origin of their own.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** @param {string} packageDir */
export async function serveSite(packageDir) {
  const folders = { pkg: packageDir, page: fileURLToPath(new URL("page", import.meta.url)) };
  const server = createServer((incoming, outgoing) => {
    const [, folder, ...rest] = new URL(incoming.url, "http://localhost").pathname.split("/");
    const name = rest.join("/") || "index.html";
    try {
      if (name.includes("..")) throw new Error("out of the folder");
      const body = readFileSync(join(folders[folder], name));
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
