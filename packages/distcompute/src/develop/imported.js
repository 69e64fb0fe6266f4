// Which files of jobs a database has, as its audit log says.

/**
 * The files whose import has ended. One that was broken off is not among them: importing it again adds the
 * rest.
 *
 * @param {string} audit what `distcompute-tracker audit` prints
 * @returns {Set<string>}
 */
export function importedFiles(audit) {
  const files = new Set();
  let latest = "";
  for (const line of audit.split("\n")) {
    const [, , action, detail = ""] = line.split("\t");
    if (action === "reset") files.clear();
    if (action !== "import") continue;
    const begun = /^\d+ jobs from (.*)$/.exec(detail);
    if (begun) latest = begun[1] ?? "";
    else if (latest !== "" && /^numbers \d+ to \d+ were imported$/.test(detail)) files.add(latest);
  }
  return files;
}
