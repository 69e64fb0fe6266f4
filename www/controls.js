// The settings form: fills its fields from the stored settings and reads them back.

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
 * What the visitor did before this script was loaded, as recorded by early.js.
 *
 * @typedef {object} Early
 * @property {boolean} pressed whether Start was pressed
 * @property {Set<string>} edited ids of the fields that were edited
 * @property {() => void} end removes the listeners of early.js
 */

/**
 * Takes over from early.js: fields that the visitor has edited while the page was loading keep their
 * values, the others get the stored settings. Returns the resulting settings.
 *
 * @param {Settings} settings
 * @param {number | undefined} hardware the number of logical processors, if the browser reports it
 * @param {Pick<Early, "edited">} early
 * @returns {Settings}
 */
export function takeOver(settings, hardware, { edited }) {
  const fields = [nickname, intensity, battery, background, mindHours, from, to];
  const typed = fields.filter(({ id }) => edited.has(id));
  const kept = typed.map((field) => ({ field, value: field.value, checked: field.checked }));
  fill(settings, hardware);
  for (const { field, ...state } of kept) Object.assign(field, state);
  updateLabels();
  return read(settings);
}

/**
 * @param {Settings} settings
 * @param {number | undefined} hardware the number of logical processors, if the browser reports it
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
  updateLabels();
}

/**
 * Reads the settings from the fields. A time field that is empty keeps its value in `before`.
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

/** @param {() => void} changed called whenever a field changes */
export function onChange(changed) {
  form.addEventListener("input", () => {
    updateLabels();
    changed();
  });
}

/**
 * Makes the nickname read-only while jobs are credited to it, and explains why.
 *
 * @param {boolean} fixed
 */
export function fixName(fixed) {
  nickname.readOnly = fixed;
  const why = "Press Stop to change it: running jobs are credited to this nickname.";
  const note = fixed ? why : "Shown on the public leaderboard.";
  write(element("nickname-note", HTMLElement), note);
}

/** Updates the texts beside the sliders, and enables the time fields if they are in use. */
function updateLabels() {
  write(element("cores-text", HTMLElement), `${cores.value} of ${cores.max}`);
  write(element("intensity-text", HTMLElement), `${intensity.value} %`);
  from.disabled = to.disabled = !mindHours.checked;
}
