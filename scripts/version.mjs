// Version numbers: read from what programs print and from lock files, and compared.

/** The first `1.2.3` in a text, or undefined. */
export function versionIn(text) {
  return /\d+\.\d+\.\d+(?:\.\d+)?/.exec(text ?? "")?.[0];
}

/** The first number of a version: what a browser and its driver must have in common. */
export function major(version) {
  return version === undefined ? undefined : Number(version.split(".")[0]);
}

/** Whether `version` is `least` or later; both are dotted numbers. */
export function atLeast(version, least) {
  if (version === undefined) return false;
  const have = version.split(".").map(Number);
  const need = least.split(".").map(Number);
  for (let i = 0; i < need.length; i++) {
    if ((have[i] ?? 0) !== need[i]) return (have[i] ?? 0) > need[i];
  }
  return true;
}

/** The version that a Cargo.lock settles on for a crate, or undefined. */
export function lockedVersion(lockText, crate) {
  const entry = new RegExp(`name = "${crate}"\\r?\\nversion = "([^"]+)"`);
  return entry.exec(lockText)?.[1];
}

/**
 * The names of npm packages whose installed version is not the one that the lock asks for.
 * Both texts are lock files: package-lock.json, and the one npm keeps inside node_modules.
 */
export function stalePackages(lockText, installedText) {
  const wanted = JSON.parse(lockText).packages ?? {};
  const installed = JSON.parse(installedText).packages ?? {};
  // Optional packages are for one operating system each; most are rightly absent.
  return Object.keys(wanted)
    .filter((name) => name !== "" && !wanted[name].optional)
    .filter((name) => installed[name]?.version !== wanted[name].version);
}
