// A page of another origin that contains the volunteer panel as docs/panel.md describes it, and its tracker.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startTestTracker } from "../../scripts/servers.mjs";
import { blocks, document } from "../documents.mjs";

export const jobs = 12;

const example = "https://tracker.example.com";
const guide = document("docs/panel.md");

/** Starts a tracker that serves a worker script, which uses the client of the tracker. */
export async function startTracker(t) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-panel-"));
  const script = `import { work } from "../client/0.1.0/distcompute_client.js";
    work((job, { progress }) => {
      progress(1, 1);
      return { number: job.id };
    });`;
  writeFileSync(join(folder, "worker.js"), script);
  const extraArgs = ["--cors-origin", "*", "--files", `/volunteer=${folder}`];
  const tracker = await startTestTracker({ project: "Panel", jobs, extraArgs });
  t.after(async () => {
    await tracker.stop();
    rmSync(folder, { recursive: true });
  });
  return tracker;
}

/**
 * The policy of the guide, for a tracker.
 *
 * @param {{ url: string }} tracker
 * @param {{ sandboxed?: boolean }} [options] whether it is that of a frame without an origin
 */
export function strictPolicy(tracker, { sandboxed = false } = {}) {
  const [policy] = blocks(guide, "text");
  const own = policy.replaceAll(example, tracker.url).replaceAll("\n", " ");
  return sandboxed ? own.replace(/(worker-src .*?) blob:/, "$1 data:") : own;
}

/**
 * Serves pages by their paths from an origin of their own. Resolves to its address.
 *
 * @param {Record<string, string>} pages
 * @param {string} [policy] the content security policy of all of them
 */
export async function startSite(t, pages, policy) {
  const headers = {
    "content-type": "text/html; charset=utf-8",
    ...(policy && { "content-security-policy": policy }),
  };
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url, "http://localhost").pathname];
    if (page === undefined) response.writeHead(404).end();
    else response.writeHead(200, headers).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.close(), server.closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}`;
}

/** A page with the lines of the guide. */
export function pageWithPanel(tracker, change = (lines) => lines) {
  const [lines] = blocks(guide, "html");
  assert.ok(lines.split("\n").length <= 5, "more than five lines");
  const body = `<h1>A page</h1>${change(lines.replaceAll(example, tracker.url))}`;
  return `<!doctype html><html lang="en"><title>A page</title><main>${body}</main></html>`;
}

/** A page with a page of another origin in a frame that has no origin. */
export function pageWithFrame(address) {
  return `<!doctype html><iframe sandbox="allow-scripts" src="${address}" title="A frame"></iframe>`;
}
