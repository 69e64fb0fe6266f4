// The artefacts of a release, one function each: npm packages, crates, the Python package. Each writes into a
// folder that it is given. scripts/package.mjs makes all of them.

import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { ensureApart } from "./apart.mjs";
import { Failure } from "./failure.mjs";
import { npmCommand, root, toolEnv } from "./places.mjs";
import { licences, packageName } from "./platforms.mjs";
import { must } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";

/** The packages of `packages/` that are published on npm. */
export const npmPackages = ["volunteer-panel", "distcompute", "create-distcompute"].filter((name) =>
  existsSync(join(root, "packages", name)),
);

/** The published crates, in the order in which they are published: each one needs those before it. */
export const crates = ["distcompute-protocol", "distcompute-tracker"];

/** A field of the workspace's Cargo.toml. */
export function workspaceField(name) {
  const cargo = readFileSync(join(root, "Cargo.toml"), "utf8");
  return new RegExp(`^${name} = "(.*)"$`, "m").exec(cargo)?.[1];
}

/** Packs a folder as `npm publish` does. Resolves to the path of the archive. */
export async function packNpm(folder, into) {
  mkdirSync(into, { recursive: true });
  const [npm, ...first] = npmCommand();
  const args = ["pack", folder, "--json", "--pack-destination", into];
  const { stdout } = await must(npm, [...first, ...args], { cwd: into });
  return join(into, JSON.parse(stdout)[0].filename);
}

/**
 * Copies a package of `packages/` with what only the published one has: licences, the repository, and for the
 * command its optional dependencies.
 *
 * @param {{ name: string, into: string, platforms: import("./platforms.mjs").platforms }} wanted `platforms` are
 *   those whose trackers are published with it
 */
export function stagePackage({ name, into, platforms }) {
  const folder = join(root, "packages", name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  const readme = existsSync(join(folder, "README.md")) ? ["README.md"] : [];
  for (const file of [...manifest.files, ...readme]) {
    cpSync(join(folder, file), join(into, file), { recursive: true });
  }
  for (const file of licences) copyFileSync(join(root, file), join(into, file));
  manifest.repository = { type: "git", url: `git+${workspaceField("repository")}.git` };
  if (name === "distcompute") {
    const optional = platforms.map((one) => [packageName(one), manifest.version]);
    manifest.optionalDependencies = Object.fromEntries(optional);
  }
  writeFileSync(join(into, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Packages the crates as `cargo publish` does.
 *
 * @param {{ into: string, isVerified: boolean }} wanted `isVerified`: also compiles them from the archives
 */
export async function packCrates({ into, isVerified }) {
  const which = crates.flatMap((crate) => ["--package", crate]);
  // Git ignores the built client, which the tracker's crate contains.
  const args = ["publish", "--dry-run", "--allow-dirty", ...which];
  const heading = { what: "packaging the crates", about: isVerified ? "3 minutes" : "10 s" };
  await progress(heading, (note) =>
    must("cargo", isVerified ? args : [...args, "--no-verify"], {
      env: toolEnv(),
      onLine: cargoNotes(note),
      remedy: "see Cargo's messages above",
    }),
  );
  mkdirSync(into, { recursive: true });
  const { stdout } = await must("cargo", ["metadata", "--format-version", "1", "--no-deps"]);
  const made = join(JSON.parse(stdout).target_directory, "package");
  return crates.map((crate) => {
    const file = `${crate}-${workspaceField("version")}.crate`;
    // A dry run of `publish` leaves the archives in a folder below.
    const from = [join(made, "tmp-crate"), made, join(made, "tmp-registry")]
      .map((folder) => join(folder, file))
      .find((path) => existsSync(path));
    if (!from) throw new Failure(`Cargo has not left ${file} in ${made}.`);
    copyFileSync(from, join(into, file));
    return join(into, file);
  });
}

/** Builds the Python package's wheel. Resolves to its path. */
export async function packPython(python, into) {
  const from = join(root, "packages", "python");
  const args = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", into, from];
  await progress({ what: "building the Python package" }, () => must(python, args));
  const wheel = readdirSync(into).find((name) => name.endsWith(".whl"));
  return join(into, wheel);
}

/** Makes sure of publint and attw. Resolves to the folder of their packages. */
export async function ensureJudges() {
  const described = join(root, "scripts", "judges");
  const why = "They check packages before they are published.";
  const folder = await ensureApart({ name: "judges", described, what: "publint and attw", why });
  return join(folder, "node_modules");
}

/** Checks packed npm packages. Rejects if publint or attw finds anything. */
export async function judge(archives) {
  const modules = await ensureJudges();
  for (const archive of archives) {
    const what = `checking ${basename(archive)}`;
    await progress({ what }, async () => {
      const call = (path, args) => must(process.execPath, [join(modules, path), ...args]);
      const { stdout } = await call("publint/src/cli.js", ["--strict", archive]);
      if (!/All good!/.test(stdout))
        throw new Failure(`publint about ${basename(archive)}:\n${stdout}`);
      // Only packages with types have anything for attw to judge.
      const { stdout: manifest } = await must("tar", ["-xOf", archive, "package/package.json"]);
      if (JSON.parse(manifest).types === undefined) return;
      const args = ["--profile", "esm-only", "--no-emoji", archive];
      const { stdout: said } = await call("@arethetypeswrong/cli/dist/index.js", args);
      if (/^(node16 \(from ESM\)|bundler): (?!OK)/m.test(said)) {
        throw new Failure(`attw about ${basename(archive)}:\n${said}`);
      }
    });
  }
}

/** The most that artefacts may weigh, in bytes, by the beginnings of their names. The first one counts. */
const limits = [
  ["distcompute-client-", 400_000],
  ["distcompute-volunteer-", 300_000],
  ["create-distcompute-", 200_000],
  ["distcompute-protocol-", 100_000],
  ["distcompute-tracker-0", 1_000_000],
  ["distcompute_project-", 200_000],
  ["distcompute-tracker", 12_000_000],
  ["distcompute-site", 20_000_000],
  ["distcompute-", 200_000],
];

/** Describes the sizes of files. Throws if one is larger than an artefact of its kind may be. */
export function sizes(files) {
  return files
    .map((file) => {
      const name = basename(file);
      const { size } = statSync(file);
      const [, most] = limits.find(([start]) => name.startsWith(start)) ?? [];
      if (most === undefined) throw new Failure(`There is no limit for the size of ${name}.`);
      if (size > most) throw new Failure(`${name} has ${size} bytes, more than ${most}.`);
      return `${(size / 1000).toFixed(0).padStart(7)} KB  ${name}`;
    })
    .join("\n");
}

/** Writes SHA256SUMS, as `sha256sum --check` reads it. */
export function writeSums(folder, files) {
  const lines = files.map((file) => {
    const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
    return `${sum}  ${basename(file)}\n`;
  });
  writeFileSync(
    join(folder, "SHA256SUMS"),
    lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(""),
  );
}

/** The versions of all that is published, by the file that says so. */
export function versions() {
  const read = (path) => readFileSync(join(root, path), "utf8");
  const found = { "Cargo.toml": workspaceField("version") };
  for (const [, name, version] of read("Cargo.toml").matchAll(
    /^(distcompute-\w+) = \{ path = .*version = "(.*)"/gm,
  )) {
    found[`Cargo.toml: ${name}`] = version;
  }
  found["packages/python/pyproject.toml"] = /^version = "(.*)"$/m.exec(
    read("packages/python/pyproject.toml"),
  )?.[1];
  for (const name of npmPackages) {
    const path = `packages/${name}/package.json`;
    const manifest = JSON.parse(read(path));
    found[path] = manifest.version;
    for (const [other, version] of Object.entries(manifest.dependencies ?? {})) {
      if (other.startsWith("distcompute")) found[`${path}: ${other}`] = version;
    }
  }
  return found;
}
