// Which names, folders and texts a project can have.

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";

import { Failure } from "./failure.js";

/** The templates, and what they are. */
export const templates = {
  function: "a function in JavaScript",
  rust: "a kernel in Rust, compiled to WebAssembly",
  pipeline: "two stages: one computes, the other checks",
};

export const defaults = { folder: "my-project", about: "", template: "function" };

/** What npm allows for the name of a package, without a scope. */
const names = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** Names that npm refuses, or that the project's own packages have. */
const taken = [
  ...["node_modules", "favicon.ico"],
  ...["distcompute", "distcompute-client", "distcompute-volunteer", "create-distcompute"],
];

/** Files that may be there before the project: those of a new repository. */
const harmless = [".git", ".DS_Store"];

/**
 * Returns the folder if a project can be made there. Throws otherwise.
 *
 * @param {string} folder
 */
export function checkFolder(folder) {
  const path = resolve(folder);
  const name = basename(path);
  if (folder === "" || !names.test(name)) {
    const other = suggestion(name);
    throw new Failure(
      `The name of the folder is the project's, and "${name}" cannot be the name of an npm package. Use lower-case ` +
        `letters, digits, "-", "_" and ".", and begin with a letter or a digit${other ? `, such as "${other}"` : ""}.`,
    );
  }
  if (taken.includes(name)) {
    throw new Failure(
      `"${name}" is the name of another package. Choose another one, such as "my-${name}".`,
    );
  }
  if (!existsSync(path)) return folder;
  if (!statSync(path).isDirectory()) {
    throw new Failure(`${path} is a file. Choose another name.`);
  }
  const there = readdirSync(path).filter((one) => !harmless.includes(one));
  if (there.length > 0) {
    throw new Failure(
      `The folder ${path} is not empty (${there.slice(0, 3).join(", ")}${there.length > 3 ? ", …" : ""}). Choose ` +
        "another name, or empty it first.",
    );
  }
  return folder;
}

/** A name that is allowed and similar; empty if there is none. @param {string} name */
function suggestion(name) {
  const plain = name.normalize("NFKD").toLowerCase();
  const words = plain.replaceAll(/\p{M}/gu, "").match(/[a-z0-9]+/g) ?? [];
  return words.join("-").slice(0, 100);
}

/** @param {string} text */
export function checkAbout(text) {
  const about = text.trim();
  if (/\p{Cc}|\p{Cs}/u.test(about)) {
    throw new Failure(
      "What the project computes must be one line of text, without control characters.",
    );
  }
  if (about.length > 300) {
    throw new Failure(
      `What the project computes takes at most 300 characters, and not ${about.length}.`,
    );
  }
  return about;
}

/**
 * The template of this name or number.
 *
 * @param {string} given
 */
export function templateOf(given) {
  const all = Object.keys(templates);
  const name = /^[1-9]$/.test(given) ? all[Number(given) - 1] : given;
  if (name !== undefined && all.includes(name)) return name;
  throw new Failure(`There is no template "${given}". The templates: ${all.join(", ")}.`);
}
