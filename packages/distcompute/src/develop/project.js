// The folder of a project: where its files are, and what its configuration says.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { parse } from "smol-toml";

import { Failure, messageOf } from "../failure.js";

/** The files of a project, relative to its folder. */
export const files = {
  worker: "worker.js",
  page: "page",
  jobs: "jobs",
  cases: "tests/cases.jsonl",
  kernel: "kernel",
  config: "tracker.toml",
  built: "dist",
  /** What is kept between runs, and can be deleted. */
  own: ".distcompute",
};

/**
 * Throws if the working folder is none of a project.
 */
export function requireProject() {
  for (const name of [files.worker, join(files.page, "index.html"), files.config]) {
    if (existsSync(name)) continue;
    throw new Failure(
      `There is no ${name} here. Go to the folder of your project, or make one: npm create distcompute`,
    );
  }
}

/** Whether the project has a kernel in Rust. */
export const hasKernel = () => existsSync(join(files.kernel, "Cargo.toml"));

/**
 * What is needed of the tracker's configuration. As in the tracker, a variable of the environment takes
 * precedence.
 *
 * @returns {{ listen: { host: string, port: number }, database: string, page: string }}
 */
export function readConfig(env = process.env) {
  let config;
  try {
    config = parse(readFileSync(files.config, "utf8"));
  } catch (error) {
    throw new Failure(`${files.config} cannot be read: ${messageOf(error)}`);
  }
  const listen = String(env.DISTCOMPUTE_LISTEN ?? config.listen ?? "127.0.0.1:8080");
  const address = /^(?<host>.+):(?<port>\d+)$/.exec(listen)?.groups;
  if (!address?.host) {
    throw new Failure(`listen in ${files.config} must be an address and a port, not "${listen}".`);
  }
  return {
    listen: { host: address.host.replace(/^\[|\]$/g, ""), port: Number(address.port) },
    database: String(env.DISTCOMPUTE_DATABASE ?? config.database ?? "sqlite:jobs.db"),
    page: String(config.volunteer_page ?? ""),
  };
}

/** How the tracker imports a file of jobs, by the end of its name. */
const formats = { ".jsonl": "--jsonl", ".json": "--json", ".txt": "--txt" };

/** The files of jobs in their order, each with the flag of the tracker's import. */
export function jobFiles() {
  if (!existsSync(files.jobs)) return [];
  return readdirSync(files.jobs)
    .sort()
    .flatMap((name) => {
      const ending = Object.keys(formats).find((ending) => name.endsWith(ending));
      return ending ? [{ path: `${files.jobs}/${name}`, flag: formats[ending] }] : [];
    });
}
