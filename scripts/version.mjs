// Version numbers: parsed from the output of programs and from lock files, and compared.

/** The first `1.2.3` in a text, or undefined. */
export function versionIn(text) {
  return /\d+\.\d+\.\d+(?:\.\d+)?/.exec(text ?? "")?.[0];
}

/** The major version, which must be the same for a browser and its driver. */
export function major(version) {
  return version === undefined ? undefined : Number(version.split(".")[0]);
}

/** Whether `version` is `least` or later. */
export function atLeast(version, least) {
  if (version === undefined) return false;
  const have = version.split(".").map(Number);
  const need = least.split(".").map(Number);
  for (let i = 0; i < need.length; i++) {
    if ((have[i] ?? 0) !== need[i]) return (have[i] ?? 0) > need[i];
  }
  return true;
}

/** The version of a crate in a Cargo.lock, or undefined. */
export function lockedVersion(lockText, crate) {
  const entry = new RegExp(`name = "${crate}"\\r?\\nversion = "([^"]+)"`);
  return entry.exec(lockText)?.[1];
}

/**
 * The names of npm packages whose installed version is not the locked one. Both texts are lock files:
 * package-lock.json, and the one that npm keeps in node_modules.
 */
export function stalePackages(lockText, installedText) {
  const wanted = JSON.parse(lockText).packages ?? {};
  const installed = JSON.parse(installedText).packages ?? {};
  // Optional packages are for one platform each, so most are not installed.
  return Object.keys(wanted)
    .filter((name) => name !== "" && !wanted[name].optional)
    .filter((name) => installed[name]?.version !== wanted[name].version);
}
