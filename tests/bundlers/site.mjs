// Serves a folder as a web site, and opens a page of it in a real browser.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

const openMs = 60_000;

/** @returns {Promise<{ url: string, stop: () => void }>} */
export function serveFolder(folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    // The leading slash prevents `..` from leaving the folder.
    const path = normalize(decodeURIComponent(pathname));
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "Content-Type": types[extname(file)] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end("Not Found");
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const stop = () => (server.close(), server.closeAllConnections());
      resolve({ url: `http://127.0.0.1:${server.address().port}`, stop });
    });
  });
}

/**
 * Opens a page and waits until it has set `globalThis.outcome`.
 *
 * @returns {Promise<{ outcome: any, globals: any, messages: string[] }>} the outcome, the values of the
 *   given global variables, and the messages in the page's console
 */
export async function outcomeOf(url, variables = []) {
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  const messages = [];
  try {
    const page = await browser.newPage();
    page.on("console", (message) => messages.push(message.text()));
    page.on("pageerror", (error) => messages.push(String(error)));
    await page.goto(url, { timeout: openMs });
    const handle = await page.waitForFunction(() => globalThis.outcome, undefined, {
      timeout: openMs,
    });
    const outcome = await handle.jsonValue();
    const values = await page.evaluate((names) => names.map((name) => globalThis[name]), variables);
    const globals = Object.fromEntries(variables.map((name, index) => [name, values[index]]));
    return { outcome, globals, messages };
  } catch (error) {
    throw new Error(`${error.message}\nThe page's console:\n${messages.join("\n")}`);
  } finally {
    await browser.close();
  }
}
