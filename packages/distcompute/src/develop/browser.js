// A headless browser that opens a page of this machine, and hands in what comes of it.

import { randomBytes } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";

import { launch } from "chrome-launcher";

import { Failure, messageOf } from "../failure.js";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** How long the browser may take to open the page, in milliseconds. */
const openMs = 60_000;

const html = '<!doctype html><meta charset="utf-8"><script type="module" src="page.js"></script>';

/**
 * Opens a page whose script is `page.js` of `folder`. The script fetches `given`, and posts what comes of it to
 * `outcome`. Resolves to that; to nothing useful after `signal`.
 *
 * @param {{ folder: string, given: unknown, signal: AbortSignal }} options
 * @returns {Promise<any>}
 */
export async function openBrowser({ folder, given, signal }) {
  // Other users of this machine do not know the address.
  const path = `/${randomBytes(16).toString("hex")}/`;
  let handIn;
  let opened = () => {};
  const outcome = new Promise((resolve) => (handIn = resolve));
  const isOpen = new Promise((resolve) => (opened = () => resolve(undefined)));
  const server = createServer(async (request, response) => {
    const { url = "", method } = request;
    const name = url.startsWith(path) ? decodeURIComponent(url.slice(path.length)) : undefined;
    if (name === "outcome" && method === "POST") {
      const parts = [];
      for await (const part of request) parts.push(part);
      response.end();
      handIn(JSON.parse(Buffer.concat(parts).toString("utf8")));
    } else if (name === "") {
      response.setHeader("content-type", types[".html"]).end(html);
    } else if (name === "given") {
      opened();
      response.setHeader("content-type", types[".json"]).end(JSON.stringify(given));
    } else {
      answerFile(response, folder, name);
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => resolve(undefined));
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  let browser;
  let timer;
  try {
    browser = await launched(`http://127.0.0.1:${port}${path}`);
    const late = new Promise((_, reject) => {
      const message = `The browser has not opened the page within ${openMs / 1000} s.`;
      timer = setTimeout(() => reject(new Failure(message)), openMs);
    });
    const stopped = new Promise((resolve) => {
      if (signal.aborted) resolve({});
      signal.addEventListener("abort", () => resolve({}), { once: true });
    });
    const { process: child } = browser;
    const died = new Promise((_, reject) => {
      child.once("exit", () => reject(new Failure("The browser has ended.")));
    });
    await Promise.race([isOpen, late, stopped, died]);
    clearTimeout(timer);
    const found = await Promise.race([outcome, stopped, died]);
    died.catch(() => {});
    return found;
  } finally {
    clearTimeout(timer);
    browser?.kill();
    server.close();
    server.closeAllConnections();
  }
}

function answerFile(response, folder, name) {
  const file = name === undefined ? undefined : resolve(join(folder, name));
  const isInside = file?.startsWith(resolve(folder) + sep) && existsSync(file);
  if (!file || !isInside) {
    response.writeHead(404).end();
    return;
  }
  const type = types[extname(file)] ?? "application/octet-stream";
  response.setHeader("content-type", type);
  createReadStream(file)
    .on("error", () => response.destroy())
    .pipe(response);
}

async function launched(startingUrl) {
  const named = process.env.CHROME_PATH;
  // Otherwise the launcher would take another browser without a word.
  if (named && !existsSync(named)) {
    throw new Failure(`CHROME_PATH names ${named}, which does not exist.`);
  }
  // Browsers refuse their sandbox to the administrator, as in containers.
  const isRoot = process.getuid?.() === 0;
  const chromeFlags = ["--headless=new", ...(isRoot ? ["--no-sandbox"] : [])];
  try {
    return await launch({ startingUrl, chromeFlags, handleSIGINT: false });
  } catch (error) {
    throw new Failure(
      "No Chrome or Chromium could be started. Install one, or name its program in the environment variable " +
        `CHROME_PATH. (${messageOf(error)})`,
    );
  }
}
