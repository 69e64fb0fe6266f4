// Writes a project from a template.

import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { Failure } from "./failure.js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What volunteers read where the owner has said nothing. */
const nothingSaid = {
  function: "Counts prime numbers.",
  rust: "Looks for long Collatz sequences.",
  pipeline: "Factors numbers.",
};

/** How a text is written in a file, by the end of its name. */
const writers = {
  ".html": (text) => text.replaceAll(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`),
  ".md": (text) => text.replaceAll(/[\\`*_{}[\]<>()#+!|&~-]/g, "\\$&"),
  ".toml": (text) => text.replaceAll(/["\\]/g, "\\$&"),
};

/** What a template contains of the project. */
const places = /\{\{(NAME|ABOUT|STAGES)\}\}/g;

/** The stages of a template, the last one first, so that jobs are completed before new ones are begun. */
const stagesOf = (template) => (template === "pipeline" ? "b a" : "a");

/**
 * Returns the project's folder.
 *
 * @param {{ folder: string, about: string, template: string }} wanted
 */
export function writeProject({ folder, about, template }) {
  const path = resolve(folder);
  const name = basename(path);
  const said = about === "" ? nothingSaid[template] : about;
  const values = { NAME: name, ABOUT: said, STAGES: stagesOf(template) };
  const written = { "package.json": manifest(name, said) };
  for (const from of [here("../templates/shared"), here(`../templates/${template}`)]) {
    for (const file of readdirSync(from, { recursive: true }).map(String)) {
      const source = join(from, file);
      if (!statSync(source).isFile()) continue;
      const write = writers[extname(file)] ?? ((text) => text);
      const text = readFileSync(source, "utf8");
      // npm leaves out files of this name.
      const target = file === "gitignore" ? ".gitignore" : file;
      written[target] = text.replaceAll(places, (_, key) => write(values[key]));
    }
  }
  try {
    for (const [file, text] of Object.entries(written)) {
      mkdirSync(dirname(join(path, file)), { recursive: true });
      writeFileSync(join(path, file), text, { flag: "wx" });
    }
  } catch (error) {
    throw new Failure(
      `The project cannot be written: ${error instanceof Error ? error.message : error}`,
    );
  }
  return path;
}

/** The project's package.json, with the packages of this version. */
function manifest(name, description) {
  const { version } = JSON.parse(readFileSync(here("../package.json"), "utf8"));
  const packages = ["distcompute", "distcompute-client", "distcompute-volunteer"];
  const content = {
    name,
    private: true,
    type: "module",
    description,
    scripts: {
      start: "distcompute start",
      dev: "distcompute dev",
      test: "distcompute test",
      build: "distcompute build",
    },
    dependencies: Object.fromEntries(packages.map((one) => [one, `^${version}`])),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}
