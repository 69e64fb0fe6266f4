// The permissions of the process that runs a project's code.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Variables of the environment that it gets. The others may contain secrets. */
const passed = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY"],
  ...["LANG", "LC_ALL", "TZ", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR"],
];

/** @param {NodeJS.ProcessEnv} env */
export function passedOn(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => passed.includes(name)));
}

/**
 * Node's options: it may read its own code, the script and the storage in `folder`, write the storage, use the network
 * and start threads, and nothing else. Empty where Node has no permission model.
 *
 * @param {string} folder an absolute path
 * @param {object} [node]
 * @param {ReadonlySet<string>} [node.known] the options that this Node knows
 * @param {string} [node.client] the path of the client's package
 */
export function permissions(
  folder,
  { known = process.allowedNodeEnvironmentFlags, client = clientFolder() } = {},
) {
  const model = ["--permission", "--experimental-permission"].find((flag) => known.has(flag));
  if (model === undefined) return [];
  const own = dirname(dirname(fileURLToPath(import.meta.url)));
  // Not all of the folder: the volunteer's key is there.
  const stored = ["storage*", "files*"].map((names) => join(folder, names));
  const readable = [join(own, "*"), join(client, "*"), join(folder, "worker-*"), ...stored];
  const reads = readable.map((path) => `--allow-fs-read=${path}`);
  const writes = stored.map((path) => `--allow-fs-write=${path}`);
  const flags = [model, ...reads, ...writes, "--allow-worker"];
  // Before Node 25, the network cannot be forbidden.
  if (known.has("--allow-net")) flags.push("--allow-net");
  // It warns that all this is experimental, and that threads are allowed.
  return [...flags, "--no-warnings"];
}

function clientFolder() {
  return dirname(fileURLToPath(import.meta.resolve("distcompute-client")));
}
