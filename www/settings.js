// What the visitor chose, remembered in this browser, and what holds until then.

const key = "distcompute-volunteer";

/** @typedef {{ nickname: string, cores: number }} Settings */

/**
 * One core is left to the person at the machine. Browsers may not say how many there are.
 *
 * @param {number | undefined} hardware
 */
export function defaultCores(hardware) {
  return Math.max(1, (hardware || 1) - 1);
}

/**
 * @param {Pick<Storage, "getItem"> | undefined} storage
 * @param {number | undefined} hardware
 * @returns {Settings}
 */
export function readSettings(storage, hardware) {
  const most = Math.max(1, hardware || 1);
  const { nickname, cores } = remembered(storage);
  return {
    nickname: typeof nickname === "string" ? nickname.slice(0, 128) : "",
    cores: Number.isInteger(cores) && cores > 0 ? Math.min(cores, most) : defaultCores(hardware),
  };
}

/** @param {Pick<Storage, "getItem"> | undefined} storage */
function remembered(storage) {
  try {
    return Object(JSON.parse(storage?.getItem(key) ?? "null"));
  } catch {
    return {};
  }
}

/**
 * @param {Pick<Storage, "setItem"> | undefined} storage
 * @param {Settings} settings
 */
export function writeSettings(storage, settings) {
  try {
    storage?.setItem(key, JSON.stringify(settings));
  } catch {
    // Private windows and full disks refuse; the page works without a memory.
  }
}

/** Undefined where the browser forbids it, which it says by throwing. */
export function browserStorage() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}
