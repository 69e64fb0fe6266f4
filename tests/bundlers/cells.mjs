// One cell of the matrix: a project with the package installed in one of three ways, served by a tool's
// development server or built by it, and opened in a browser.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { toolEnv } from "../../scripts/places.mjs";
import { serve } from "../../scripts/process.mjs";
import { commandsFor, documentedScript, installCommand } from "./docs.mjs";
import { npm, runIn } from "./project.mjs";
import { serveFolder } from "./site.mjs";

const openMs = 120_000;
const quiet = { NEXT_TELEMETRY_DISABLED: "1", NO_UPDATE_NOTIFIER: "1", NO_COLOR: "1" };

/**
 * Creates an empty project beside a folder `distcompute`, as in docs/owner.md, and installs a tool.
 *
 * @param {string} built the folder of the package
 */
export async function makeToolProject(tool, built) {
  const parent = mkdtempSync(join(tmpdir(), "distcompute-bundlers-"));
  const folder = join(parent, "project");
  // Copied instead of linked, because npm resolves links and tools would find the packages of this
  // repository.
  cpSync(built, join(parent, "distcompute", "pkg"), { recursive: true });
  mkdirSync(folder);
  writeIn(folder, { "package.json": JSON.stringify({ private: true }), ...tool.files });
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", ...tool.packages], folder);
  return { folder, remove: () => rmSync(parent, { recursive: true, force: true }) };
}

function writeIn(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const installations = {
  folder: async (folder) => shell(folder, installCommand()),
  link: async (folder) => shell(folder, installCommand().replace(" --install-links", "")),
  tarball: async (folder) => {
    await npm(["pack", "../distcompute/pkg"], folder);
    await shell(folder, commandsFor("Installing").at(-1));
  },
};

/** Puts the package into a project. */
export async function install(folder, how) {
  rmSync(join(folder, "node_modules", "distcompute-client"), { recursive: true, force: true });
  // The caches of tools contain the package as it was installed before.
  for (const cache of [".parcel-cache", ".next", "node_modules/.vite"]) {
    rmSync(join(folder, cache), { recursive: true, force: true });
  }
  await installations[how](folder);
}

function shell(folder, command) {
  const [program, ...args] = command.split(" ");
  assert.equal(program, "npm", command);
  return npm([...args, "--no-audit", "--no-fund"], folder);
}

/** The program and the arguments of a command that starts with npx. */
function programOf(folder, command) {
  const [npx, name, ...args] = command.split(" ");
  assert.equal(npx, "npx", command);
  return [join(folder, "node_modules", ".bin", name), args];
}

/** Builds the project, and serves the result. */
async function built(tool, folder) {
  const [program, args] = programOf(folder, tool.build);
  await runIn(folder, program, args, quiet);
  return tool.start
    ? await started(tool, folder, tool.start)
    : await serveFolder(join(folder, "dist"));
}

async function started(tool, folder, command) {
  const port = await anyPort();
  const [program, args] = programOf(folder, command);
  const own = tool.port(String(port));
  // Flags that the command has already are replaced.
  const kept = args.filter((arg) => !own.some((flag) => flag.startsWith(`${arg}=`)));
  const { stop } = await serve(program, [...kept, ...own], {
    cwd: folder,
    env: toolEnv(quiet),
    ready: (line) => /https?:\/\//.test(line),
    says: tool.says,
    // esbuild exits when its standard input is closed.
    stdin: "pipe",
    startMs: 120_000,
  });
  return { url: `http://localhost:${port}`, stop };
}

function anyPort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Opens the project's page, presses its button, and waits until all `jobs` of the tracker are done. */
export async function worksThrough({ tool, folder, mode, tracker, jobs, browser }) {
  const scripts = ["page.js", "worker.js"];
  writeIn(
    folder,
    Object.fromEntries(scripts.map((name) => [name, documentedScript(name, tracker.url)])),
  );
  const site =
    mode === "build" ? await built(tool, folder) : await started(tool, folder, tool.develop);
  const context = await browser.newContext();
  const messages = [];
  try {
    const page = await context.newPage();
    page.on("console", (message) =>
      messages.push(`${message.type()}: ${message.text()} ${message.location().url}`),
    );
    page.on("pageerror", (error) => messages.push(`error: ${error}`));
    page.on("response", (answer) => {
      if (answer.status() >= 400) messages.push(`${answer.status()} ${answer.url()}`);
    });
    await page.goto(site.url, { timeout: openMs });
    // The page's script sets `onclick` when the wasm is loaded.
    const button = page.locator("button").first();
    await page.waitForFunction(() => document.querySelector("button")?.onclick, undefined, {
      timeout: openMs,
    });
    await button.click();
    await page.waitForFunction((end) => document.title.endsWith(end), ` ${jobs} jobs done`, {
      timeout: openMs,
    });
    const failures = messages.filter(
      (text) => /^(error|[45]\d\d)/.test(text) && !/favicon/.test(text),
    );
    assert.deepEqual(failures, []);
  } catch (error) {
    throw new Error(`${error.message}\nThe page's console:\n${messages.join("\n")}`);
  } finally {
    await context.close();
    await site.stop();
  }
}
