// The settings that the visitor sees: from the page's fields to what is remembered, and back.

import { element, write } from "./element.js";
import { clockMinutes, clockText } from "./settings.js";

/** @typedef {import("./settings.js").Settings} Settings */

const form = element("settings", HTMLFormElement);
const nickname = element("nickname", HTMLInputElement);
const cores = element("cores", HTMLInputElement);
const intensity = element("intensity", HTMLInputElement);
const battery = element("battery", HTMLInputElement);
const background = element("background", HTMLInputElement);
const mindHours = element("mind-hours", HTMLInputElement);
const from = element("from", HTMLInputElement);
const to = element("to", HTMLInputElement);

/**
 * What was done before this script was there (early.js).
 *
 * @typedef {object} Early
 * @property {boolean} pressed Start was pressed
 * @property {Set<string>} edited ids of fields
 * @property {() => void} end from here on others listen
 */

/**
 * Takes over from early.js: fields that were filled in meanwhile stay, the others show what is
 * remembered. Returns what holds now.
 *
 * @param {Settings} settings
 * @param {number | undefined} hardware
 * @param {Pick<Early, "edited">} early
 * @returns {Settings}
 */
export function takeOver(settings, hardware, { edited }) {
  const fields = [nickname, intensity, battery, background, mindHours, from, to];
  const typed = fields.filter(({ id }) => edited.has(id));
  const kept = typed.map((field) => ({ field, value: field.value, checked: field.checked }));
  fill(settings, hardware);
  for (const { field, ...state } of kept) Object.assign(field, state);
  tell();
  return read(settings);
}

/**
 * @param {Settings} settings
 * @param {number | undefined} hardware how many cores there are
 */
export function fill(settings, hardware) {
  cores.max = String(Math.max(1, hardware || 1));
  nickname.value = settings.nickname;
  cores.value = String(settings.cores);
  intensity.value = String(settings.intensity);
  battery.checked = settings.pauseOnBattery;
  background.checked = settings.background;
  mindHours.checked = settings.mindHours;
  from.value = clockText(settings.hours.from);
  to.value = clockText(settings.hours.to);
  tell();
}

/**
 * What the fields say; where one says nothing, `before` holds.
 *
 * @param {Settings} before
 * @returns {Settings}
 */
export function read(before) {
  return {
    nickname: nickname.value.trim(),
    cores: Number(cores.value),
    intensity: Number(intensity.value),
    pauseOnBattery: battery.checked,
    background: background.checked,
    mindHours: mindHours.checked,
    hours: {
      from: clockMinutes(from.value) ?? before.hours.from,
      to: clockMinutes(to.value) ?? before.hours.to,
    },
  };
}

/** @param {() => void} changed called at each change of a field */
export function onChange(changed) {
  form.addEventListener("input", () => {
    tell();
    changed();
  });
}

/**
 * The name cannot change while jobs are done under it, and the page says so.
 *
 * @param {boolean} fixed
 */
export function fixName(fixed) {
  nickname.readOnly = fixed;
  const why = "Stop to change it: results are credited to the name that they were begun under.";
  const note = fixed ? why : "Shown on the public leaderboard.";
  write(element("nickname-note", HTMLElement), note);
}

function tell() {
  write(element("cores-text", HTMLElement), `${cores.value} of ${cores.max}`);
  write(element("intensity-text", HTMLElement), `${intensity.value} %`);
  from.disabled = to.disabled = !mindHours.checked;
}
