// `npm start -- --example crawl`: cuts web archives into jobs, and gives the tracker's arguments for the
// example.

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

import { buildCrawl, buildCrawlProgram } from "./build.mjs";
import { Failure } from "./failure.mjs";
import { root } from "./places.mjs";
import { must } from "./process.mjs";
import { progress } from "./progress.mjs";

const description =
  "Volunteers make a data set of clean text from web archives: they take the text out of pages, drop " +
  "those of low quality, and look for near duplicates.";

const stages = ["a=Extract", "b=Clean", "c=Language", "d=Sign", "e=Pack"];

/** The size of the archive that is made if there is none, in MB before compression. */
const sampleMegabytes = "24";

/**
 * Builds the kernels, and imports the jobs unless an earlier run has. Resolves to the arguments of the
 * tracker's command `serve`.
 *
 * @param {{ dataDir: string, archives?: string, reset: boolean, print: (text: string) => void }} wanted
 * @param {Record<string, string>} programs with the tracker's path
 * @param {string} panelDir the folder of the volunteer panel
 */
export async function prepareCrawl(wanted, programs, panelDir) {
  const kernelDir = await buildCrawl();
  const { crawl } = await buildCrawlProgram();
  const database = await importPieces(wanted, crawl, programs["distcompute-tracker"]);
  const files = {
    "/volunteer": join(root, "examples", "crawl", "www"),
    "/volunteer/pkg": panelDir,
    "/volunteer/kernel": kernelDir,
  };
  return [
    ...["--database", `sqlite:${database}`],
    ...["--project", "From a crawl to a data set", "--description", description],
    ...stages.flatMap((stage) => ["--stage", stage]),
    ...Object.entries(files).flatMap(([path, folder]) => ["--files", `${path}=${folder}`]),
    ...["--volunteer-page", "/volunteer/", "--preview", "/volunteer/preview.html"],
  ];
}

async function importPieces({ dataDir, archives, reset, print }, crawl, tracker) {
  const folder = join(dataDir, "crawl");
  const database = join(folder, "crawl.db");
  // Written last, so that an import that was interrupted is done again, as is one from a time without files.
  const imported = join(folder, "imported-files.txt");
  const wanted = archives ?? "";
  if (!reset && existsSync(imported)) {
    if (readFileSync(imported, "utf8") !== wanted) {
      print(
        "The data set of an earlier run is continued. To make one from other archives and delete",
      );
      print("the earlier one: npm start -- --example crawl FOLDER --reset");
    }
    return database;
  }
  if (reset && existsSync(imported)) print("Starting over: the data set so far is deleted.");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await progress({ what: "cutting archives into jobs", about: "some seconds" }, async () => {
    const from = archives ?? (await makeSamples(crawl, join(folder, "archives")));
    // The tracker copies the pieces to its files, into a folder beside the database.
    const pieces = join(folder, "pieces");
    await must(crawl, ["jobs", ...archivesIn(from), "--out", pieces]);
    const jobs = ["--jsonl", join(pieces, "jobs.jsonl"), "--files", pieces];
    await must(tracker, ["import", "--database", `sqlite:${database}`, ...jobs]);
    rmSync(pieces, { recursive: true });
  });
  writeFileSync(imported, wanted);
  return database;
}

async function makeSamples(crawl, folder) {
  await must(crawl, ["sample", folder, sampleMegabytes]);
  return folder;
}

/** The paths of the web archives in a folder, in the order of their names. */
export function archivesIn(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const archives = names.filter((name) => /\.w?arc(\.gz)?$/i.test(name)).sort();
  if (archives.length > 0) return archives.map((name) => join(folder, name));
  throw new Failure(`There are no web archives in ${relative(process.cwd(), folder) || "."}.`, {
    why: "Their names end with .warc, .warc.gz, .arc or .arc.gz.",
    remedy: "name a folder with some, or none to have some made",
  });
}
