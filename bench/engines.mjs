// Browsers with three different engines, steered by WebDriver, which all of them speak.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import {
  chromiumArgs,
  ensureChromedriver,
  ensureFirefox,
  ensureGeckodriver,
  ensureWebKit,
} from "../scripts/browsers.mjs";
import { isRoot } from "../scripts/debian.mjs";
import { Failure } from "../scripts/failure.mjs";

/** How each engine is started: the driver with its arguments, and what it is asked for. */
const settings = {
  async Chromium() {
    const { chromium, chromedriver } = await ensureChromedriver();
    const options = { binary: chromium, args: [...chromiumArgs(), "--headless"] };
    return { command: [chromedriver], wanted: { "goog:chromeOptions": options } };
  },
  async Firefox() {
    const options = { binary: await ensureFirefox(), args: ["-headless"] };
    return { command: [await ensureGeckodriver()], wanted: { "moz:firefoxOptions": options } };
  },
  async WebKit() {
    const { driver, browser, xvfb } = await ensureWebKit();
    const options = { binary: browser, args: ["--automation"] };
    return {
      command: [xvfb, "-a", driver],
      wanted: { "webkitgtk:browserOptions": options },
      // WebKit's sandbox refuses to run as root.
      env: isRoot() ? { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" } : {},
    };
  },
};

export const engines = Object.keys(settings);

/** How long a driver may take to start, in milliseconds. */
const startMs = 30_000;

/**
 * Opens a page in a new browser.
 *
 * @param {string} engine
 * @param {string} url
 */
export async function openEngine(engine, url) {
  const { command, wanted, env = {} } = await settings[engine]();
  const port = await anyPort();
  const [program, ...args] = [...command, `--port=${port}`];
  const options = { stdio: "ignore", detached: true, env: { ...process.env, ...env } };
  const driver = spawn(program, args, /** @type {any} */ (options));
  const killGroup = () => {
    try {
      process.kill(-driver.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  process.once("exit", killGroup);
  const ask = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const { value } = await answer.json();
    if (!answer.ok) throw new Failure(`${engine}: ${value.message ?? JSON.stringify(value)}`);
    return value;
  };
  const deadline = performance.now() + startMs;
  while (!(await ask("GET", "/status").catch(() => false))) {
    if (performance.now() > deadline) throw new Failure(`${program} does not start.`);
    await sleep(100);
  }
  const session = await ask("POST", "/session", { capabilities: { alwaysMatch: wanted } });
  const at = `/session/${session.sessionId}`;
  await ask("POST", `${at}/url`, { url });
  return {
    version: String(session.capabilities.browserVersion ?? ""),
    /** The value of an expression in the page. */
    value: (code) => ask("POST", `${at}/execute/sync`, { script: `return ${code}`, args: [] }),
    async close() {
      await ask("DELETE", at).catch(() => {});
      killGroup();
      process.off("exit", killGroup);
    },
  };
}

async function anyPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  return port;
}
