// The volunteer's settings, their defaults, and how they are stored in this browser.

const key = "distcompute-volunteer";
const lastMinute = 24 * 60 - 1;

/** @typedef {import("distcompute-client").VolunteerSettings} VolunteerSettings */

/**
 * The panel's settings. In contrast to those of `Volunteer`, they keep the hours while `mindHours` is off.
 *
 * @typedef {Omit<VolunteerSettings, "hours"> & { nickname: string, mindHours: boolean,
 *   hours: { from: number, to: number } }} Settings
 */

/**
 * The default leaves one core to the person at the computer.
 *
 * @param {number | undefined} hardware the number of logical processors, if the browser reports it
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
  const found = remembered(storage);
  const { from, to } = Object(found.hours);
  /** @type {(value: unknown, otherwise: boolean) => boolean} */
  const truth = (value, otherwise) => (typeof value === "boolean" ? value : otherwise);
  const cores = whole(found.cores, 1, Infinity) ?? defaultCores(hardware);
  return {
    nickname: typeof found.nickname === "string" ? found.nickname.slice(0, 128) : "",
    cores: Math.min(cores, Math.max(1, hardware || 1)),
    intensity: Math.round((whole(found.intensity, 10, 100) ?? 80) / 10) * 10,
    pauseOnBattery: truth(found.pauseOnBattery, true),
    background: truth(found.background, true),
    mindHours: truth(found.mindHours, false),
    hours: {
      from: whole(from, 0, lastMinute) ?? 22 * 60,
      to: whole(to, 0, lastMinute) ?? 6 * 60,
    },
  };
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
function whole(value, least, most) {
  const fits = typeof value === "number" && Number.isInteger(value);
  return fits && value >= least && value <= most ? value : undefined;
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
 * Converts the panel's settings to those of `Volunteer`.
 *
 * @param {Settings} settings
 * @returns {VolunteerSettings}
 */
export function volunteerSettings({ nickname, mindHours, hours, ...settings }) {
  return { ...settings, hours: mindHours ? hours : null };
}

/**
 * Merges the settings of a `Volunteer`, which another tab may have changed, into the panel's.
 *
 * @param {Settings} settings
 * @param {VolunteerSettings} volunteer
 * @returns {Settings}
 */
export function withVolunteer(settings, { hours, ...volunteer }) {
  return { ...settings, ...volunteer, mindHours: hours !== null, hours: hours ?? settings.hours };
}

/**
 * @param {VolunteerSettings} one
 * @param {VolunteerSettings} other
 */
export function isSame(one, other) {
  /** @param {VolunteerSettings} settings */
  const all = ({ cores, intensity, pauseOnBattery, background, hours }) =>
    [cores, intensity, pauseOnBattery, background, hours?.from, hours?.to].join();
  return all(one) === all(other);
}

/**
 * @param {Pick<Storage, "setItem"> | undefined} storage
 * @param {Settings} settings
 */
export function writeSettings(storage, settings) {
  try {
    storage?.setItem(key, JSON.stringify(settings));
  } catch {
    // Storage may be full or unavailable in private windows. The panel works without it.
  }
}

/** @param {Pick<Storage, "removeItem"> | undefined} storage */
export function forgetSettings(storage) {
  try {
    storage?.removeItem(key);
  } catch {
    // Where the storage is unavailable, nothing was stored.
  }
}

/** Returns the local storage, or undefined where the browser forbids access, which throws. */
export function browserStorage() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

/**
 * Formats minutes after midnight as the value of a time field, for example `"06:30"`.
 *
 * @param {number} minutes
 */
export function clockText(minutes) {
  /** @type {(number: number) => string} */
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/**
 * Parses the value of a time field to minutes after midnight. Returns undefined while it is empty.
 *
 * @param {string} text
 */
export function clockMinutes(text) {
  const [, hours, minutes] = /^(\d\d):(\d\d)/.exec(text) ?? [];
  return hours && minutes ? Number(hours) * 60 + Number(minutes) : undefined;
}
