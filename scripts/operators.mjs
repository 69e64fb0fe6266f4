// What a tracker is operated with, for the tests of the operator's guide: proxies, Prometheus' own
// tool and a few small programs, from the operating system.

import { aptInstall, aptRemedy, canInstall } from "./debian.mjs";
import { Failure } from "./failure.mjs";
import { toolEnv, which } from "./places.mjs";

const why = "The operator's guide is tested with the programs that it speaks of.";

/** The programs, and Debian's packages of them. */
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

/** Debian keeps those that are for administrators out of the PATH of others. */
export function operatorEnv(extra = {}) {
  const { PATH, ...env } = toolEnv(extra);
  return { ...env, PATH: `${PATH}:/usr/sbin:/sbin` };
}

/** Makes sure of all of them. */
export async function ensureOperatorTools() {
  const missing = () =>
    Object.entries(programs)
      .filter(([program]) => !which(program, operatorEnv()))
      .map(([, name]) => name);
  if (missing().length > 0 && canInstall()) {
    // Debian's packages start their servers, where there is an init that does so: on level 1 not.
    await aptInstall(missing(), why, { env: { ...process.env, RUNLEVEL: "1" } });
  }
  const packages = missing();
  if (packages.length === 0) return true;
  throw new Failure(`${packages.join(", ")} cannot be found.`, {
    why,
    remedy: aptRemedy(packages),
  });
}
