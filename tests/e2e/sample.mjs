// The sample project as `npm start` sets it up, in a temporary folder and with a smaller poster, and
// queries of its tracker.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { buildTracker } from "../../scripts/build.mjs";
import { root } from "../../scripts/places.mjs";
import { must } from "../../scripts/process.mjs";
import { start } from "../../scripts/start.mjs";
import { patienceMs } from "./browser.mjs";

/** The path of a parameter file in this folder. */
export const posterFile = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The path for a screenshot. */
export function screenshotFile(name) {
  const folder = join(root, "target", "e2e");
  mkdirSync(folder, { recursive: true });
  return join(folder, name);
}

/**
 * @param {import("node:test").TestContext} t stops the tracker when the test ends
 * @param {{ poster: string, invalidAfter?: number, extraArgs?: string[] }} options
 */
export async function startSample(t, { poster, ...options }) {
  const dataDir = mkdtempSync(join(tmpdir(), "distcompute-e2e-"));
  const quiet = { print: () => {}, onLog: () => {} };
  const all = { ...options, ...quiet, dataDir, poster: posterFile(poster) };
  let running = await start({ ...all, port: 0 });
  const { "distcompute-tracker": program } = await buildTracker();
  const { url, volunteerUrl, dashboardUrl } = running;
  t.after(async () => {
    await running.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return {
    url,
    volunteerUrl,
    dashboardUrl,
    operate: async (command, ...args) => {
      const database = `sqlite:${join(dataDir, "poster.db")}`;
      return (await must(program, [command, "--database", database, ...args])).stdout;
    },
    stop: () => running.stop(),
    restart: async () => {
      running = await start({ ...all, port: Number(new URL(url).port) });
      assert.equal(running.url, url, "the tracker came back elsewhere");
    },
  };
}

/** @param {string} url */
export async function status(url) {
  const answer = await fetch(`${url}/api/status`);
  assert.equal(answer.status, 200);
  return await answer.json();
}

/**
 * Polls the tracker's status until it fits.
 *
 * @param {string} url
 * @param {string} what
 * @param {(status: any) => boolean} fits
 */
export async function untilTracker(url, what, fits) {
  let now;
  await untilTrue(
    async () => fits((now = await status(url))),
    () => `not ${what}: ${JSON.stringify(now)}`,
  );
  return now;
}

/**
 * Polls `fits` until it is true.
 *
 * @param {() => boolean | Promise<boolean>} fits
 * @param {() => string} [why] the message if that takes too long
 */
export async function untilTrue(fits, why) {
  const deadline = Date.now() + patienceMs;
  while (!(await fits())) {
    assert.ok(Date.now() < deadline, why?.());
    await sleep(100);
  }
}

/** The numbers of leased jobs and of workers, over all stages. */
export const held = ({ stages }) => stages.reduce((sum, stage) => sum + stage.held, 0);
export const workers = ({ stages }) => stages.reduce((sum, stage) => sum + stage.workers, 0);

/** Whether there are no workers and no leased jobs. */
export const isDeserted = (now) => held(now) === 0 && workers(now) === 0;

/**
 * Renders the poster natively, without browser and tracker.
 *
 * @param {string} poster
 */
export function nativeRender(poster) {
  renders[poster] ??= render(poster);
  return renders[poster];
}

const renders = {};

/** @param {string} poster */
async function render(poster) {
  const { poster: program } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-render-"));
  try {
    const out = join(folder, "picture.ppm");
    await must(program, ["render", posterFile(poster), "--out", out]);
    return readPpm(readFileSync(out));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {Buffer} file */
function readPpm(file) {
  const header = /^P6\n(\d+) (\d+)\n255\n/.exec(file.subarray(0, 64).toString("latin1"));
  assert.ok(header, "not a picture");
  const pixels = file.subarray(header[0].length);
  return { width: Number(header[1]), height: Number(header[2]), pixels };
}
