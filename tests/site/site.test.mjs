// The documentation site: it is built from the documents, has the API reference, and no link of it is broken.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";

import { buildPackage } from "../../scripts/build.mjs";
import { brokenLinks, buildSite, documents, replaceLinks, siteLink } from "../../scripts/site.mjs";
import { pageOf } from "../../scripts/site/pages.mjs";

let site;
before(async () => {
  // Fails if a link of the site is broken.
  site = await buildSite({ types: join(await buildPackage(), "index.d.ts") });
});

const html = (name) => readFileSync(join(site, name), "utf8");

test("each document is a page, and the API reference is beside them", () => {
  const all = documents();
  for (const path of ["docs/map.md", "docs/operating.md", "docs/protocol.md", "README.md"]) {
    assert.ok(all.includes(path), path);
  }
  assert.equal(new Set(all.map(pageOf)).size, all.length);
  for (const path of all) {
    assert.ok(existsSync(join(site, pageOf(path).replace(/md$/, "html"))), path);
  }
  const reference = html("reference/classes/Volunteer.html");
  assert.match(reference, /<h1>Class Volunteer/);
  assert.match(reference, /<a href="\/">Documentation<\/a>/);
});

test("the first page shows the recording, and the sidebar begins with map for owners", () => {
  const first = html("index.html");
  assert.match(first, /<img src="\/map-recording\.svg" alt="A recording/);
  const owners = first.indexOf("For owners");
  assert.ok(
    owners > 0 &&
      first.indexOf('href="/map.html"', owners) < first.indexOf('href="/owner.html"', owners),
  );
  const recording = readFileSync(join(site, "map-recording.svg"), "utf8");
  assert.match(recording, /npx distcompute map/);
  assert.ok(recording.length < 1_500_000, `${recording.length} bytes`);
});

test("links to documents lead to pages, and those to other files to the repository", () => {
  const pages = ["docs/map.md", "docs/owner.md", "README.md", "docs/decisions/README.md"];
  const repository = "https://example.org/repo";
  const picture = (path) => `/${path}`;
  const link = (from, to) => siteLink(from, to, { pages, repository, picture });
  assert.equal(link("docs/map.md", "owner.md#the-context"), "./owner.md#the-context");
  assert.equal(link("docs/map.md", "../README.md"), "./overview.md");
  assert.equal(link("README.md", "docs/decisions"), "./decisions/index.md");
  assert.equal(
    link("docs/map.md", "../crates/x.toml"),
    "https://example.org/repo/blob/main/crates/x.toml",
  );
  assert.equal(link("README.md", "docs/page.png"), "/docs/page.png");
  assert.equal(link("README.md", "https://example.org/"), "https://example.org/");
  const text = "[a](x.md) `[b](x.md)`\n```js\n[c](x.md)\n```\n[d](x.md)";
  assert.equal(
    replaceLinks(text, () => "y"),
    "[a](y) `[b](x.md)`\n```js\n[c](x.md)\n```\n[d](y)",
  );
});

test("a broken link is found: a page, an anchor, a picture", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-site-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "a"));
  writeFileSync(join(folder, "a", "index.html"), '<h1 id="here">A</h1>');
  const good = ["a/", "/a/index.html#here", "a/#here", "#top", "https://example.org/none"];
  const bad = ["b.html", "a/#there", "picture.png", "#bottom"];
  const links = [...good, ...bad].map((link) => `<a href="${link}">x</a>`);
  writeFileSync(join(folder, "index.html"), `<p id="top">${links.join("")}</p>`);
  assert.deepEqual(
    brokenLinks(folder),
    bad.map((link) => `index.html: ${link}`),
  );
});
