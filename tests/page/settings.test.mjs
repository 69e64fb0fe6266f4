import assert from "node:assert/strict";
import { test } from "node:test";

import { defaultCores, readSettings, writeSettings } from "../../www/settings.js";

function memory(text) {
  return { getItem: () => text ?? null, setItem: (_, value) => (text = value) };
}

test("all cores but one, at least one, also where the browser does not say", () => {
  assert.deepEqual([8, 2, 1, 0, undefined].map(defaultCores), [7, 1, 1, 1, 1]);
});

test("what was chosen is remembered", () => {
  const storage = memory();
  writeSettings(storage, { nickname: "Ada", cores: 3 });
  assert.deepEqual(readSettings(storage, 8), { nickname: "Ada", cores: 3 });
});

test("a memory of another machine, or none, gives what holds here", () => {
  const remembered = memory('{"nickname":"Ada","cores":64}');
  assert.equal(readSettings(remembered, 4).cores, 4);
  for (const text of ["", "{", "null", "7", '{"nickname":7,"cores":-1}', '{"cores":1.5}']) {
    assert.deepEqual(readSettings(memory(text), 4), { nickname: "", cores: 3 }, text);
  }
  assert.deepEqual(readSettings(undefined, 4), { nickname: "", cores: 3 });
});

test("a browser that refuses to remember is no fault", () => {
  const refuses = () => {
    throw new Error("QuotaExceededError");
  };
  writeSettings({ setItem: refuses }, { nickname: "Ada", cores: 3 });
  assert.deepEqual(readSettings({ getItem: refuses }, 2), { nickname: "", cores: 1 });
});
