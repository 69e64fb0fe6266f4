// One cell of the matrix: a project of an owner's, the package installed in one of three ways, served by
// the tool's development server or built by it, opened in a browser.

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
 * An empty project beside a folder `distcompute`, as docs/owner.md has it, with a tool installed.
 *
 * @param {string} built the folder of the package
 */
export async function makeToolProject(tool, built) {
  const parent = mkdtempSync(join(tmpdir(), "distcompute-bundlers-"));
  const folder = join(parent, "project");
  // Copied: npm would see through a link, and tools would find this repository's own packages.
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
  // What tools keep between runs was made from the package as it was installed before.
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

/** What a command that begins with npx runs. */
function programOf(folder, command) {
  const [npx, name, ...args] = command.split(" ");
  assert.equal(npx, "npx", command);
  return [join(folder, "node_modules", ".bin", name), args];
}

/** Builds the project, and serves what came of it. */
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
  // A flag that the command has already is given its value.
  const kept = args.filter((arg) => !own.some((flag) => flag.startsWith(`${arg}=`)));
  const { stop } = await serve(program, [...kept, ...own], {
    cwd: folder,
    env: toolEnv(quiet),
    ready: (line) => /https?:\/\//.test(line),
    says: tool.says,
    // esbuild ends when its terminal does.
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
    // The page's script sets it when the wasm is there.
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
