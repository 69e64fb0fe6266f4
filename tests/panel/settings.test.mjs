import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clockMinutes,
  clockText,
  defaultCores,
  forgetSettings,
  isSame,
  readSettings,
  volunteerSettings,
  withVolunteer,
  writeSettings,
} from "../../packages/volunteer-panel/src/settings.js";

function memory(text) {
  return {
    getItem: () => text ?? null,
    setItem: (_, value) => (text = value),
    removeItem: () => (text = undefined),
  };
}

const untouched = {
  nickname: "",
  cores: 3,
  intensity: 80,
  pauseOnBattery: true,
  background: true,
  mindHours: false,
  hours: { from: 22 * 60, to: 6 * 60 },
};
const chosen = {
  nickname: "Ada",
  cores: 2,
  intensity: 30,
  pauseOnBattery: false,
  background: false,
  mindHours: true,
  hours: { from: 0, to: 1439 },
};

test("the default is all cores but one, and one if the browser reports no number", () => {
  assert.deepEqual([8, 2, 1, 0, undefined].map(defaultCores), [7, 1, 1, 1, 1]);
});

test("the default settings are considerate", () => {
  assert.deepEqual(readSettings(memory(), 4), untouched);
});

test("settings are stored until they are forgotten", () => {
  const storage = memory();
  writeSettings(storage, chosen);
  assert.deepEqual(readSettings(storage, 8), chosen);
  forgetSettings(storage);
  assert.deepEqual(readSettings(storage, 4), untouched);
});

test("missing or invalid stored settings are replaced by valid ones", () => {
  const remembered = memory('{"nickname":"Ada","cores":64}');
  assert.deepEqual(readSettings(remembered, 4), { ...untouched, nickname: "Ada", cores: 4 });
  const spoilt = [
    ...["", "{", "null", "7", '{"nickname":7,"cores":-1}', '{"cores":1.5,"intensity":0}'],
    ...['{"intensity":"30","background":1,"hours":{"from":1440,"to":-1}}', '{"hours":null}'],
  ];
  for (const text of spoilt) assert.deepEqual(readSettings(memory(text), 4), untouched, text);
  assert.deepEqual(readSettings(undefined, 4), untouched);
});

test("a browser that refuses access to its storage causes no error", () => {
  const refuses = () => {
    throw new Error("QuotaExceededError");
  };
  writeSettings({ setItem: refuses }, chosen);
  forgetSettings({ removeItem: refuses });
  assert.deepEqual(readSettings({ getItem: refuses }, 4), untouched);
});

test("the volunteer gets the hours only while they are enabled", () => {
  const { nickname, mindHours, ...minded } = chosen;
  assert.deepEqual(volunteerSettings(chosen), minded);
  assert.deepEqual(volunteerSettings({ ...chosen, mindHours: false }), { ...minded, hours: null });
});

test("settings of another tab are merged, and disabled hours are kept", () => {
  const there = { ...volunteerSettings(chosen), cores: 7, hours: null };
  const here = withVolunteer(chosen, there);
  assert.deepEqual(here, { ...chosen, cores: 7, mindHours: false });
  assert.ok(isSame(volunteerSettings(here), there));
  assert.ok(!isSame(volunteerSettings(chosen), there));
  const other = { ...there, hours: { from: 1, to: 2 } };
  assert.deepEqual(withVolunteer(here, other).hours, { from: 1, to: 2 });
  assert.ok(!isSame(other, { ...other, hours: { from: 1, to: 3 } }));
});

test("times of day are converted to minutes after midnight and back", () => {
  for (const minutes of [0, 59, 390, 1439]) assert.equal(clockMinutes(clockText(minutes)), minutes);
  assert.equal(clockText(390), "06:30");
  assert.equal(clockMinutes(""), undefined);
});
