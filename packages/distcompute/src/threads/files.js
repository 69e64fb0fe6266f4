// `fetch` for files, which Node's does not read.

import { readFile } from "node:fs/promises";
import { extname } from "node:path";

const types = { ".wasm": "application/wasm", ".json": "application/json" };

/**
 * Resolves to the answer, or returns undefined if the address is not that of a file.
 *
 * @param {unknown} input what `fetch` was given
 */
export function fetchFile(input) {
  const address = input instanceof Request ? input.url : String(input);
  if (!address.startsWith("file:")) return undefined;
  return answer(new URL(address));
}

/** @param {URL} url */
async function answer(url) {
  url.search = "";
  url.hash = "";
  try {
    const type = types[extname(url.pathname)] ?? "application/octet-stream";
    return new Response(await readFile(url), { headers: { "content-type": type } });
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "ENOENT" || code === "EISDIR") return new Response(null, { status: 404 });
    // As for a server that does not answer.
    throw new TypeError(`${url} cannot be read`, { cause: error });
  }
}
