// The programs of the operator's guide, for its tests: reverse proxies, Prometheus' promtool and a few
// small programs, as packages of the operating system. The test of a fleet uses some of them.

import { aptInstall, aptRemedy, canInstall } from "./debian.mjs";
import { Failure } from "./failure.mjs";
import { toolEnv, which } from "./places.mjs";

const why = "The operator's guide is tested with the programs that it mentions.";

/** The Debian package of each program. */
const programs = {
  nginx: "nginx-light",
  caddy: "caddy",
  haproxy: "haproxy",
  promtool: "prometheus",
  logrotate: "logrotate",
  sqlite3: "sqlite3",
  curl: "curl",
  openssl: "openssl",
  faketime: "faketime",
};

/** The environment with sbin in PATH, where Debian puts programs for administrators. */
export function operatorEnv(extra = {}) {
  const { PATH, ...env } = toolEnv(extra);
  return { ...env, PATH: `${PATH}:/usr/sbin:/sbin` };
}

/** Makes sure that all programs are installed. */
export const ensureOperatorTools = () => ensurePrograms(Object.keys(programs));

/** Makes sure of the programs of a fleet. */
export const ensureFleetTools = () => ensurePrograms(["haproxy", "faketime"]);

async function ensurePrograms(names) {
  const missing = () =>
    Object.entries(programs)
      .filter(([program]) => names.includes(program))
      .filter(([program]) => !which(program, operatorEnv()))
      .map(([, name]) => name);
  if (missing().length > 0 && canInstall()) {
    // Debian's packages would start their servers; runlevel 1 prevents that.
    await aptInstall(missing(), why, { env: { ...process.env, RUNLEVEL: "1" } });
  }
  const packages = missing();
  if (packages.length === 0) return true;
  throw new Failure(`${packages.join(", ")} cannot be found.`, {
    why,
    remedy: aptRemedy(packages),
  });
}
