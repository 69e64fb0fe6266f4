// `npm run site`: the documentation site, from the repository's documents and the API reference. Fails on broken
// links.
//
// The documents are written for readers of the repository. Their links to each other become links between pages,
// those to other files lead to the repository.

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";

import { ensureApart } from "./apart.mjs";
import { buildPackage } from "./build.mjs";
import { makeReference } from "./docs.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";
import { endOnSignals, must } from "./process.mjs";
import { progress } from "./progress.mjs";
import { folders, groups, pageOf, reference } from "./site/pages.mjs";
import { ensureBuildTools } from "./tools.mjs";

const usage = `npm run site [-- --base PATH]

Builds the documentation site into target/site/, for any server of files. PATH is where it will be on that
server, for example /docs/ (default /).`;

const described = join(root, "scripts", "site");

/** Makes sure of VitePress. Resolves to its folder. */
export function ensureVitePress() {
  const why = "It builds the documentation site.";
  return ensureApart({ name: "site", described, what: "VitePress", why, about: "20 s" });
}

/** All documents that are pages, by their paths in the repository, in the order of the sidebar. */
export function documents() {
  const listed = groups.flatMap(({ pages }) => pages.map(([path]) => path));
  const found = folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .sort()
      .map((name) => `${folder}/${name}`),
  );
  return [...new Set([...listed, ...found])].filter((path) => existsSync(join(root, path)));
}

/** The heading of a document, without markup. */
function headingOf(text) {
  return /^# (.*)$/m.exec(text)?.[1].replaceAll(/[`*]/g, "");
}

/** The sidebar: the groups, and what none of them names. Decisions are listed on their own page. */
function sidebar(texts) {
  const item = (path, text) => ({ text, link: `/${pageOf(path).replace(/(index)?\.md$/, "")}` });
  const named = new Set(groups.flatMap(({ pages }) => pages.map(([path]) => path)));
  const others = [...texts.keys()].filter(
    (path) => !named.has(path) && !path.startsWith("docs/decisions/"),
  );
  const items = groups.map(({ title, pages }) => ({
    text: title,
    items: pages.filter(([path]) => texts.has(path)).map(([path, text]) => item(path, text)),
  }));
  const api = items.find(({ text }) => text === "Reference");
  api.items.unshift({ text: "JavaScript API", link: `/${reference}index.html`, target: "_self" });
  if (others.length > 0) {
    const more = others.map((path) => item(path, headingOf(texts.get(path)) ?? basename(path)));
    items.push({ text: "More", items: more });
  }
  return items;
}

/** Replaces the links and pictures of a text outside of its code. */
export function replaceLinks(text, replace) {
  const parts = text.split(/(^ *```[^]*?^ *```$|`[^`\n]+`)/m);
  const isCode = (index) => index % 2 === 1;
  return parts
    .map((part, index) =>
      isCode(index) ? part : part.replace(/\]\(([^)\s]+)\)/g, (_, link) => `](${replace(link)})`),
    )
    .join("");
}

/**
 * Where a link of a document leads on the site.
 *
 * @param {string} from the document's path in the repository
 * @param {string} link
 * @param {{ pages: string[], repository: string, picture: (path: string) => string }} site `picture` takes over
 *   a picture of the repository, and returns its address
 */
export function siteLink(from, link, { pages, repository, picture }) {
  if (/^[a-z]+:/.test(link) || link.startsWith("#")) return link;
  const [path, anchor] = link.split("#");
  const target = posix.normalize(posix.join(posix.dirname(from), path)).replace(/\/$/, "");
  const document = [target, `${target}/README.md`].find((one) => pages.includes(one));
  if (document) {
    const way = posix.relative(posix.dirname(pageOf(from)), pageOf(document));
    return `${way.startsWith(".") ? way : `./${way}`}${anchor ? `#${anchor}` : ""}`;
  }
  if (/\.(png|svg|webp)$/.test(target)) return picture(target);
  return `${repository}/blob/main/${target}${anchor ? `#${anchor}` : ""}`;
}

/** The links of a built site that lead nowhere, as `page: link`. */
export function brokenLinks(folder, base = "/") {
  const files = readdirSync(folder, { recursive: true }).map((name) => name.replaceAll("\\", "/"));
  const exists = new Set(files);
  const anchors = new Map();
  const anchorsOf = (page) => {
    if (!anchors.has(page)) {
      const ids = readFileSync(join(folder, page), "utf8").matchAll(/\s(?:id|name)="([^"]+)"/g);
      anchors.set(page, new Set([...ids].map(([, id]) => id)));
    }
    return anchors.get(page);
  };
  const leadsSomewhere = (page, link) => {
    if (/^[a-z]+:|^\/\//i.test(link)) return true;
    const { pathname, hash } = new URL(link, `http://site${base}${page}`);
    if (!pathname.startsWith(base)) return false;
    const path = decodeURIComponent(pathname.slice(base.length));
    const file = [path, `${path}index.html`, `${path}.html`, `${path}/index.html`].find(
      (name) => exists.has(name) && /\.\w+$/.test(name),
    );
    if (file === undefined) return false;
    return !(hash.length > 1 && file.endsWith(".html")) || anchorsOf(file).has(decode(hash));
  };
  const decode = (hash) => decodeURIComponent(hash.slice(1)).replaceAll("&", "&amp;");
  return files
    .filter((name) => name.endsWith(".html"))
    .flatMap((page) => {
      const text = readFileSync(join(folder, page), "utf8");
      const links = [...text.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, link]) => link);
      const plain = new Set(links.map((link) => link.replaceAll("&amp;", "&")));
      return [...plain]
        .filter((link) => !leadsSomewhere(page, link))
        .map((link) => `${page}: ${link}`);
    });
}

/** What the Cargo.toml of the workspace says. */
function workspaceField(name) {
  const cargo = readFileSync(join(root, "Cargo.toml"), "utf8");
  return new RegExp(`^${name} = "(.*)"$`, "m").exec(cargo)?.[1];
}

/**
 * Builds the site. Resolves to its folder.
 *
 * @param {{ types: string, base?: string, out?: string }} wanted `types` are the declarations of the npm package,
 *   of which the API reference is made
 */
export async function buildSite({ types, base = "/", out = join(root, "target", "site") }) {
  const vitepress = await ensureVitePress();
  const work = join(root, "target", "site-work");
  rmSync(work, { recursive: true, force: true });
  rmSync(out, { recursive: true, force: true });
  const files = join(work, "public");
  for (const folder of [files, join(work, ".vitepress", "theme")]) {
    mkdirSync(folder, { recursive: true });
  }
  const repository = workspaceField("repository");
  const pages = documents();
  const picture = (path) => {
    const name = path.replaceAll("/", "-").replace(/^docs-/, "");
    copyFileSync(join(root, path), join(files, name));
    return `/${name}`;
  };
  const texts = new Map(pages.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  for (const [path, text] of texts) {
    const file = join(work, "source", pageOf(path));
    mkdirSync(dirname(file), { recursive: true });
    const link = (to) => siteLink(path, to, { pages, repository, picture });
    writeFileSync(file, replaceLinks(text, link));
  }
  copyFileSync(join(root, "www", "icon.svg"), join(files, "icon.svg"));
  const own = [
    ["config.mjs", "config.mjs"],
    ["theme.mjs", join("theme", "index.mjs")],
    ["theme.css", join("theme", "theme.css")],
  ];
  for (const [from, to] of own) copyFileSync(join(described, from), join(work, ".vitepress", to));
  const version = workspaceField("version");
  const site = { base, out, public: files, repository, version, sidebar: sidebar(texts) };
  writeFileSync(join(work, ".vitepress", "site.json"), JSON.stringify(site));
  symlinkSync(join(vitepress, "node_modules"), join(work, "node_modules"), "junction");
  const cli = join(vitepress, "node_modules", "vitepress", "bin", "vitepress.js");
  await progress({ what: "building the documentation site", about: "20 s" }, () =>
    must(process.execPath, [cli, "build", work], {
      cwd: work,
      env: toolEnv({ NO_COLOR: "1" }),
      remedy: "see VitePress's messages above",
    }),
  );
  // The reference has pages of its own kind, which lead back to the site.
  const options = join(work, "typedoc.json");
  const common = join(root, "scripts", "reference", "typedoc.jsonc");
  const favicon = join(root, "www", "icon.svg");
  const navigationLinks = { Documentation: base };
  writeFileSync(options, JSON.stringify({ extends: [common], favicon, navigationLinks }));
  await progress({ what: "generating the API reference" }, () =>
    makeReference({ types, out: join(out, reference), options }),
  );
  const broken = brokenLinks(out, base);
  if (broken.length === 0) return out;
  throw new Failure(`Links of the documentation site are broken:\n${broken.join("\n")}`, {
    remedy: "mend them in the documents",
  });
}

async function main(args) {
  if (args.length === 1 && args[0] === "--help") return console.log(usage);
  const base = args.length === 2 && args[0] === "--base" ? args[1] : "/";
  if (args.length > 0 && !(args[0] === "--base" && /^\/(.*\/)?$/.test(base))) {
    throw new Failure(`Invalid option: ${args.join(" ")}`, { remedy: usage });
  }
  endOnSignals();
  await ensureBuildTools();
  const types = join(await buildPackage(), "index.d.ts");
  console.log(`the documentation site: ${relative(root, await buildSite({ types, base }))}`);
}

if (isMain(import.meta.url)) await runMain(main);
