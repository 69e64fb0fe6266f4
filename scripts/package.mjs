// `npm run package`: everything that a release consists of, in one folder, checked and with checksums.
//
// A machine builds the tracker for its own kind only: SQLite and the cryptography of TLS are C, which needs that
// machine's compiler. Programs that other machines have built are handed over.

import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";

import { crates, judge, npmPackages, packCrates, packNpm, packPython } from "./artefacts.mjs";
import { sizes, stagePackage, versions, workspaceField, writeSums } from "./artefacts.mjs";
import { buildPackage, buildPrograms } from "./build.mjs";
import { aptInstall, canInstall } from "./debian.mjs";
import { makeDeb } from "./deb.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { root, which } from "./places.mjs";
import {
  ownPlatform,
  packageName,
  platforms,
  programFile,
  writeTrackerPackage,
} from "./platforms.mjs";
import { endOnSignals, must } from "./process.mjs";
import { ensurePythonProject } from "./python.mjs";
import { buildSite } from "./site.mjs";
import { ensureBuildTools } from "./tools.mjs";

const usage = `npm run package [-- --programs FOLDER]

Makes all artefacts of a release into target/artefacts/, checks them, and writes SHA256SUMS.

  --programs FOLDER  programs that other machines have built, as FOLDER/win32-x64/distcompute-tracker.exe
                     (${platforms.map(({ os, cpu }) => `${os}-${cpu}`).join(", ")})
  --help             this text`;

/** Makes sure that this machine can build for its platform. */
async function ensureTarget({ os, target }) {
  const why = "The tracker is built so that it runs on each machine of this kind.";
  if (which("rustup")) {
    await must("rustup", ["target", "add", target], { why, remedy: `rustup target add ${target}` });
  }
  if (os !== "linux" || which("musl-gcc")) return;
  if (canInstall()) return await aptInstall(["musl-tools"], why);
  throw new Failure("musl-gcc is missing.", { why, remedy: "install musl-tools or musl-gcc" });
}

async function buildTrackerFor({ os, cpu, target }) {
  const args = [
    "--release",
    "--locked",
    "--target",
    target,
    "-p",
    "distcompute-tracker",
    "--features",
    "clouds",
    "--bins",
  ];
  const what = `the tracker for ${os}-${cpu}`;
  const programs = await buildPrograms({ what, args, about: "5 minutes the first time" });
  return programs["distcompute-tracker"];
}

/**
 * The trackers' programs: this machine's is built, others are looked for in `given`.
 *
 * @returns {Promise<{ built: { platform: typeof platforms[number], program: string }[], missing: string[] }>}
 */
async function trackers(given) {
  const built = [];
  const missing = [];
  for (const platform of platforms) {
    const name = `${platform.os}-${platform.cpu}`;
    const handedOver = given && join(given, name, programFile(platform));
    if (handedOver && existsSync(handedOver)) {
      built.push({ platform, program: handedOver });
    } else if (platform === ownPlatform()) {
      await ensureTarget(platform);
      built.push({ platform, program: await buildTrackerFor(platform) });
    } else {
      missing.push(name);
    }
  }
  return { built, missing };
}

/** Rejects unless all versions are the same. */
function checkVersions() {
  const found = Object.entries(versions());
  const others = found.filter(([, version]) => version !== workspaceField("version"));
  if (others.length === 0) return;
  const list = others.map(([where, version]) => `${where} has ${version}`).join("\n");
  throw new Failure(
    `The versions differ from ${workspaceField("version")} of Cargo.toml:\n${list}`,
  );
}

async function packageAll({ given, out }) {
  checkVersions();
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const stage = join(root, "target", "staged");
  // Before the tracker, which contains it.
  const client = await buildPackage();
  const { built, missing } = await trackers(given);
  const version = workspaceField("version");
  const repository = workspaceField("repository");
  const staged = [client];
  for (const { platform, program } of built) {
    const into = join(stage, packageName(platform));
    writeTrackerPackage({ platform, program, version, repository, into });
    staged.push(into);
  }
  for (const name of npmPackages) {
    const into = join(stage, name);
    stagePackage({ name, into, platforms: built.map(({ platform }) => platform) });
    staged.push(into);
  }
  const archives = [];
  for (const folder of staged) archives.push(await packNpm(folder, out));
  await judge(archives);
  const files = [...archives];
  const own = built.find(({ platform }) => platform === ownPlatform());
  if (own && process.platform === "linux" && which("dpkg-deb")) {
    files.push(await makeDeb({ program: own.program, into: out }));
  } else {
    missing.push("the Debian package, which needs Debian");
  }
  files.push(...(await packCrates({ into: out, isVerified: true })));
  files.push(await packPython(await ensurePythonProject(), out));
  const site = await buildSite({ types: join(client, "index.d.ts") });
  const tar = join(out, `distcompute-site-${version}.tar.gz`);
  await must("tar", ["-czf", tar, "-C", site, "."]);
  files.push(tar);
  copyFileSync(join(root, "CHANGELOG.md"), join(out, "CHANGELOG.md"));
  console.log(`\n${sizes(files)}\n`);
  writeSums(out, files);
  return missing;
}

async function main(args) {
  if (args.length === 1 && args[0] === "--help") return console.log(usage);
  const isValid = args.length === 0 || (args.length === 2 && args[0] === "--programs");
  if (!isValid) throw new Failure(`Invalid option: ${args.join(" ")}`, { remedy: usage });
  endOnSignals();
  await ensureBuildTools();
  const out = join(root, "target", "artefacts");
  const given = args[1] === undefined ? undefined : resolve(args[1]);
  const missing = await packageAll({ given, out });
  console.log(`All artefacts are in ${relative(root, out)}, with their checksums in SHA256SUMS.`);
  console.log(`Crates are published in this order: ${crates.join(", ")}.`);
  if (missing.length === 0) return;
  console.log(`NOT made here: ${missing.join(", ")}.`);
  console.log("Run this on machines of those kinds, and hand their programs over with --programs.");
}

if (isMain(import.meta.url)) await runMain(main);
