// The words of all languages: no key and no placeholder is missing, and every plural form is there.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../../scripts/places.mjs";
import {
  Words,
  chosenLanguage,
  languages,
  loadWords,
} from "../../packages/volunteer-panel/src/words.js";

const folder = join(root, "packages", "volunteer-panel", "words");
const read = (language) => JSON.parse(readFileSync(join(folder, `${language}.json`), "utf8"));
const english = read("en");

/** The forms of a text: its plural forms, or the text itself. */
const formsOf = (text) => (typeof text === "string" ? { other: text } : text);

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** What is wrong with the words of a language. */
function faults(language, texts) {
  const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
  const unknown = Object.keys(texts).filter((key) => !(key in english));
  const found = unknown.map((key) => `${key} is unknown`);
  for (const [key, text] of Object.entries(english)) {
    if (!(key in texts)) {
      found.push(`${key} is missing`);
      continue;
    }
    if (typeof text !== typeof texts[key]) found.push(`${key} has another type than in English`);
    const forms = formsOf(texts[key]);
    const expected = typeof texts[key] === "string" ? ["other"] : pluralCategories;
    const names = Object.keys(forms);
    for (const form of expected)
      if (!names.includes(form)) found.push(`${key} has no form ${form}`);
    for (const [form, said] of Object.entries(forms)) {
      if (!expected.includes(form)) found.push(`${key} has a form ${form}, which is never used`);
      if (said === "" && key !== "between") found.push(`${key} is empty`);
      // A form for exactly one or two may say so in words.
      const isExact = ["zero", "one", "two"].includes(form) && expected.length > 1;
      const of = (list) => list.filter((name) => !(isExact && name === "count")).join();
      const wanted = placeholders(formsOf(text).other);
      if (of(placeholders(said)) !== of(wanted))
        found.push(`${key} has not the placeholders ${wanted}`);
    }
  }
  if (!["ltr", "rtl"].includes(texts.direction)) found.push("direction is neither ltr nor rtl");
  return found;
}

test("each file of words is a language that the panel has, and the other way round", () => {
  const files = readdirSync(folder).map((name) => name.replace(/\.json$/, ""));
  assert.deepEqual(files.sort(), [...languages].sort());
  for (const language of languages) {
    assert.deepEqual(Intl.PluralRules.supportedLocalesOf(language), [language]);
  }
});

for (const language of languages) {
  test(`the words in ${language} are complete`, async () => {
    assert.deepEqual(faults(language, read(language)), []);
    assert.equal((await loadWords([language])).text("start"), read(language).start);
  });
}

test("missing keys, forms and placeholders are found", () => {
  const { start: _, ...rest } = english;
  const spoilt = {
    ...rest,
    strat: "Start",
    core: "Core",
    computing: { other: "Working." },
    stop: "",
    direction: "left",
  };
  assert.deepEqual(faults("en", spoilt).sort(), [
    "computing has no form one",
    "computing has not the placeholders count",
    "core has not the placeholders number",
    "direction is neither ltr nor rtl",
    "start is missing",
    "stop is empty",
    "strat is unknown",
  ]);
});

test("the first language that there is is chosen, with its region for times and numbers", () => {
  const chosen = (...wanted) => Object.values(chosenLanguage(wanted)).join(" ");
  assert.equal(chosen("de-AT", "en"), "de de-AT");
  assert.equal(chosen("tlh", "en-GB", "de"), "en en-GB");
  assert.equal(chosen("tlh"), "en en");
  assert.equal(chosen(), "en en");
  for (const nonsense of ["", "_", "<b>", "constructor", "__proto__", "x".repeat(1000)]) {
    assert.equal(chosen(nonsense, "de"), "de de", nonsense);
  }
});

test("placeholders are replaced once, by numbers of the language and by names as they are", () => {
  const german = new Words(read("de"), "de");
  assert.equal(german.text("cores.value", { count: 1, all: 12_345 }), "1 von 12.345");
  assert.equal(
    german.text("record.stage", { stage: "{stage} $& <b>" }),
    "Erledigte Aufgaben: {stage} $& <b>",
  );
  assert.equal(german.text("computing", { count: 1 }), "1 Kern arbeitet.");
  assert.equal(german.text("computing", { count: 2 }), "2 Kerne arbeiten.");
});

test("durations and amounts are rounded", () => {
  const words = Words.english;
  assert.equal(words.duration(9999), "9 sec");
  assert.equal(words.duration(130_000), "2 min 10 sec");
  assert.equal(words.duration(3_725_000), "1 hr 2 min");
  assert.equal(words.duration(3_600_000), "1 hr");
  const sizes = [0, 1, 400_300, 12_340_000, 5_678_000_000].map((bytes) => words.size(bytes));
  assert.deepEqual(sizes, ["0 kB", "1 kB", "401 kB", "12.3 MB", "5.7 GB"]);
});
