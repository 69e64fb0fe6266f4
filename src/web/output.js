// A result as JSON, of which nothing is lost without a word: JSON itself writes a `Map` as `{}`, NaN
// as `null`, and leaves functions out. What cannot be written is refused, with its path.
//
// `JSON.stringify` comes first, since it is fast and finds what is endless; the walk after it looks
// only for what that loses. What a getter or a proxy says twice, in two ways, is its owner's affair.

import { isError } from "./bindings.js";

/** Deeper values are refused: trackers and other readers have limits. */
const DEEPEST = 1_000;

const toString = Object.prototype.toString;

/** What can be done about what, by the name of its kind. */
const advice = {
  Map: "hand in Object.fromEntries(map) or [...map]",
  Set: "hand in [...set]",
  Date: "hand in date.toISOString() or date.getTime()",
  Promise: "await it first",
  BigInt: "hand in String(it)",
  RegExp: "hand in String(it)",
  Error: "hand in its message",
  ArrayBuffer: "hand in [...new Uint8Array(buffer)], or a text, for example base64",
  DataView: "hand in numbers, or a text, for example base64",
};

const typed = "hand in Array.from(it), or a text, for example base64";
const fields = "give its class a toJSON(), or hand in a plain object";

/** What is wrong, and where: the path grows on the way out. */
function flaw(what, help) {
  return { what, help, path: [] };
}

function at(key, found) {
  found.path.push(key);
  return found;
}

function ofNumber(number) {
  return flaw(`is ${number}`, "hand in null or a text, or leave it out");
}

/** What is wrong with a value that is no object, no finite number and no text. */
function ofRest(value) {
  switch (typeof value) {
    case "number":
      return ofNumber(value);
    case "undefined":
      return flaw("is undefined", "hand in null");
    case "bigint":
      return flaw("is a BigInt", advice.BigInt);
    default:
      return flaw(`is a ${typeof value}`, "leave it out");
  }
}

function hasGetter(prototype) {
  for (let of = prototype; of && Object.getPrototypeOf(of); of = Object.getPrototypeOf(of)) {
    const properties = Object.values(Object.getOwnPropertyDescriptors(of));
    if (properties.some(({ get }) => get)) return true;
  }
  return false;
}

/** What is lost of an object that has a class of its own and no `toJSON`; nothing, of some. */
function ofInstance(value, prototype) {
  const kind = toString.call(value).slice(8, -1);
  if (kind === "Number" && !Number.isFinite(Number(value))) return ofNumber(Number(value));
  if (["Number", "String", "Boolean"].includes(kind)) return undefined;
  if (kind !== "Object") {
    const help = advice[kind] ?? (ArrayBuffer.isView(value) ? typed : fields);
    return flaw(`is ${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`, help);
  }
  // Private fields cannot be seen: where there are no others, they are what it is made of.
  const has = Object.keys(value).length > 0;
  if (has && !hasGetter(prototype)) return undefined;
  return flaw("is an instance of a class, of which fields would be lost", fields);
}

/** The first flaw in a value, if any; `strings`: texts are looked at too. */
function look(value, depth, strings) {
  if (typeof value === "string") return strings ? ofText(value) : undefined;
  if (typeof value === "number") return value - value === 0 ? undefined : ofNumber(value);
  if (typeof value === "boolean" || value === null) return undefined;
  if (typeof value !== "object") return ofRest(value);
  if (depth > DEEPEST) return flaw(`is nested deeper than ${DEEPEST} levels`, "flatten it");
  if (typeof value.toJSON === "function") {
    if (toString.call(value) === "[object Date]") return flaw("is a Date", advice.Date);
    const written = value.toJSON("");
    // What comes of it is not asked again.
    return typeof written === "object" && written !== null && written !== value
      ? members(written, depth, strings)
      : written === undefined || written === value
        ? undefined
        : look(written, depth, strings);
  }
  return members(value, depth, strings);
}

/** What the tracker takes for a media type. */
export const isFileType = (type) => /^[ !#-[\]-~]{1,127}$/.test(type);

/** Whether an object with `$file` is a reference to a file. */
function isReference({ $file, bytes, type }) {
  const isName = typeof $file === "string" && /^sha256-[0-9a-f]{64}$/.test($file);
  const isType = type === undefined || (typeof type === "string" && isFileType(type));
  return isName && Number.isSafeInteger(bytes) && bytes >= 0 && isType;
}

function httpAddress(url, base) {
  if (typeof url !== "string") return "";
  try {
    const { href, protocol } = new URL(url, base);
    return /^https?:$/.test(protocol) ? href : "";
  } catch {
    return "";
  }
}

/**
 * Whether a text of JSON may name files: a cheap test, which agrees with the tracker's `may_refer`. The names of members
 * may be escaped, as those of the owner's are where its encoder escapes `$`.
 */
export const mayRefer = (text) =>
  text.includes('"$file"') || (text.includes("\\u00") && /\\u00(?:24|65|66|69|6c|6C)/.test(text));

/**
 * The files that the data of a job names: `[name, bytes, url]`, each once. `url` is absolute, or empty where there is
 * none. Most texts name none, and are not parsed.
 */
export function filesIn(mark, text, base) {
  const found = new Map();
  if (!text.startsWith(mark) || !mayRefer(text)) return [];
  const read = (_, value) => {
    if (Object(value) === value && Object.hasOwn(value, "$file") && isReference(value)) {
      const { $file, bytes, url } = value;
      found.set($file, [$file, bytes, httpAddress(url, base)]);
    }
    // What is in it was read before it.
    return Object(value) === value ? null : value;
  };
  try {
    JSON.parse(text.slice(mark.length), read);
  } catch {
    // The handler hears that it is no JSON.
  }
  return [...found.values()];
}

function members(value, depth, strings) {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const member = value[index];
      // Most of what is long is numbers.
      if (typeof member === "number" && member - member === 0) continue;
      const found = look(member, depth + 1, strings);
      if (found) return at(index, found);
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const found = ofInstance(value, prototype);
    if (found) return found;
  }
  if (Object.hasOwn(value, "$file") && !isReference(value)) {
    return flaw("has $file and is no reference to a file", "hand in what put() has resolved to");
  }
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined || (typeof member === "number" && member - member === 0)) {
      if (!strings) continue;
    }
    const found =
      (strings && ofText(key)) ||
      (member === undefined ? undefined : look(member, depth + 1, strings));
    if (found) return at(key, found);
  }
  return undefined;
}

/** Half of a character, which no encoding can hold. */
const LONE = /\p{Cs}/u;

function ofText(text) {
  const found = LONE.exec(text);
  if (!found) return undefined;
  const what = `has half a character (a lone surrogate) at ${found.index}`;
  return flaw(what, "hand in text.toWellFormed(), or bytes as base64");
}

/** The path of a flaw in what is called `name`, as one would write it. */
function where(name, path) {
  const part = (key) => {
    if (typeof key === "number") return `[${key}]`;
    if (/^[A-Za-z_$][\w$]{0,60}$/.test(key)) return `.${key}`;
    return `[${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key)}]`;
  };
  const parts = path.reverse().map(part);
  const whole = `${name}${parts.join("")}`;
  return whole.length <= 200 ? whole : `${whole.slice(0, 120)}…${whole.slice(-60)}`;
}

function said(name, { what, help, path }) {
  return `${where(name, path)} ${what}, which a ${name} cannot hold: ${help}.`;
}

/** The first flaw of what `JSON.stringify` does not write, whose own message names no path. */
function ofThrown(value, name, thrown) {
  const above = new Set();
  const find = (value, depth) => {
    if (typeof value !== "object" || value === null) {
      return typeof value === "bigint" ? ofRest(value) : undefined;
    }
    if (above.has(value)) return flaw("contains itself", "break the circle");
    if (depth > DEEPEST) return flaw(`is nested deeper than ${DEEPEST} levels`, "flatten it");
    above.add(value);
    for (const key of Object.keys(value)) {
      const found = find(value[key], depth + 1);
      if (found) return at(Array.isArray(value) ? Number(key) : key, found);
    }
    above.delete(value);
    return undefined;
  };
  const found = find(value, 0);
  if (found) return said(name, found);
  const why = isError(thrown) ? thrown.message : "it throws";
  return `${name} cannot be written as JSON: ${why}`;
}

function refuse(value, name, thrown) {
  try {
    return ofThrown(value, name, thrown);
  } catch {
    return `${name} cannot be read: one of its getters throws.`;
  }
}

/** A value that is no text, as JSON: `{ text }`, or why not: `{ flaw }`, which calls it `name`. */
export function outputJson(value, name) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (thrown) {
    return { flaw: refuse(value, name, thrown) };
  }
  try {
    // JSON writes half a character as an escape.
    const found = look(value, 0, text?.includes("\\ud") === true);
    return found ? { flaw: said(name, found) } : { text };
  } catch (thrown) {
    return { flaw: refuse(value, name, thrown) };
  }
}
