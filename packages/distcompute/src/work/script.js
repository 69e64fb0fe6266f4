// The project's worker script: downloaded with everything that it imports, and written as one file, which Node
// can run. In it, `import.meta.url` is the address that each module came from, so that what it fetches
// from beside itself is found.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { build, transform } from "esbuild";

import { address } from "../address.js";
import { Failure, messageOf } from "../failure.js";
import { writeWhole } from "../folder.js";

/** How long a module may take to come, in milliseconds, and how large it may be, in bytes. */
const most = { ms: 60_000, bytes: 64_000_000 };

/** A script that was downloaded so many milliseconds ago is not downloaded again. */
const freshMs = 10_000;

export class Script {
  #url;
  #trusted;
  #folder;
  /** @type {{ at: number, path: Promise<string> } | undefined} */
  #latest;

  /**
   * @param {object} of
   * @param {URL} of.url
   * @param {Set<string>} of.trusted the hosts that modules may come from
   * @param {string} of.folder where the file is written
   */
  constructor({ url, trusted, folder }) {
    this.#url = url;
    this.#trusted = trusted;
    this.#folder = folder;
  }

  /** Resolves to the path of the script as it is now. */
  latest() {
    if (this.#latest && performance.now() - this.#latest.at < freshMs) return this.#latest.path;
    const former = this.#latest?.path;
    // While the project's server is away, its script as it was before will do.
    const path = this.#download().catch((error) => former ?? Promise.reject(error));
    this.#latest = { at: performance.now(), path };
    return path;
  }

  async #download() {
    let code;
    try {
      const { outputFiles } = await build({
        entryPoints: [this.#url.href],
        bundle: true,
        write: false,
        outfile: "worker.js",
        format: "esm",
        platform: "browser",
        target: "es2022",
        charset: "utf8",
        sourcemap: "inline",
        sourcesContent: false,
        logLevel: "silent",
        plugins: [this.#web()],
      });
      code = outputFiles[0].contents;
    } catch (error) {
      throw new Failure(`The worker script cannot be loaded.\n  ${explained(error)}`);
    }
    const hash = createHash("sha256").update(code).digest("hex").slice(0, 16);
    const name = `worker-${hash}.mjs`;
    const path = join(this.#folder, name);
    if (!existsSync(path)) writeWhole(path, code);
    for (const other of readdirSync(this.#folder)) {
      if (/^worker-[0-9a-f]+\.mjs$/.test(other) && other !== name) {
        rmSync(join(this.#folder, other), { force: true });
      }
    }
    return path;
  }

  /** How esbuild finds modules: as a browser does. @returns {import("esbuild").Plugin} */
  #web() {
    return {
      name: "web",
      setup: ({ onResolve, onLoad }) => {
        onResolve({ filter: /./ }, ({ path, importer, kind }) => {
          if (path.startsWith("data:")) return undefined;
          if (kind === "entry-point") return { path, namespace: "web" };
          if (/^(\.{0,2}\/|https?:)/.test(path)) {
            return { path: new URL(path, importer).href, namespace: "web" };
          }
          // Where it is not reached, it does not matter: much that is made for browsers and Node asks first.
          if (kind === "dynamic-import") return { path, external: true };
          return {
            errors: [{ text: `"${path}" is no address, so that browsers cannot import it` }],
          };
        });
        onLoad({ filter: /./, namespace: "web" }, async ({ path }) => await this.#load(path));
      },
    };
  }

  /** @returns {Promise<import("esbuild").OnLoadResult>} */
  async #load(path) {
    const { text, type, url } = await this.#fetch(path);
    if (type.includes("json")) return { contents: text, loader: "json" };
    try {
      const { code } = await transform(text, {
        define: { "import.meta.url": JSON.stringify(url) },
        sourcefile: url,
        sourcemap: "inline",
        sourcesContent: false,
        charset: "utf8",
      });
      return { contents: code, loader: "js" };
    } catch (error) {
      return { errors: /** @type {import("esbuild").TransformFailure} */ (error).errors };
    }
  }

  #check(url) {
    const { host } = address(url, "what the worker script imports");
    if (this.#trusted.has(host)) return;
    throw new Failure(`${url} is code from ${host}, which is not trusted: --trust-code ${host}`);
  }

  async #fetch(asked) {
    this.#check(asked);
    const response = await fetch(asked, { signal: AbortSignal.timeout(most.ms) });
    const url = response.url || asked;
    // It may have been redirected.
    this.#check(url);
    if (!response.ok) throw new Failure(`${url} answers ${response.status}.`);
    const parts = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      if (bytes > most.bytes) throw new Failure(`${url} is larger than ${most.bytes} bytes.`);
      parts.push(part);
    }
    const type = response.headers.get("content-type") ?? "";
    const text = Buffer.concat(parts).toString("utf8");
    if (/html/.test(type)) throw new Failure(`${url} is a page, and no script.`);
    return { text, type, url };
  }
}

/** The errors of esbuild, each with its place. */
function explained(error) {
  const errors = error?.errors;
  if (!Array.isArray(errors) || errors.length === 0) return messageOf(error);
  const lines = errors.map(({ text, location, detail }) => {
    const place = location ? `${location.file.replace(/^web:/, "")}:${location.line}: ` : "";
    return `${place}${detail instanceof Failure ? detail.message : text}`;
  });
  return lines.join("\n  ");
}
