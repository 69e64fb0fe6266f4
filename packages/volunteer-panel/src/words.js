// The panel's words: which languages there are, which of them is used, and how numbers, times and names
// are put into a sentence.

import english from "../words/en.json" with { type: "json" };

/**
 * The words of one language by key. A word that depends on a number has a form for each plural category
 * of the language.
 *
 * @typedef {keyof typeof english} Key
 * @typedef {Record<Key, string | Partial<Record<Intl.LDMLPluralRule, string>>>} Texts
 * @typedef {Record<string, string | number>} Values
 */

/**
 * All languages except for English, which is there when another one cannot be loaded.
 *
 * @type {Record<string, () => Promise<{ default: object }>>}
 */
const others = {
  ar: () => import("../words/ar.json", { with: { type: "json" } }),
  de: () => import("../words/de.json", { with: { type: "json" } }),
  es: () => import("../words/es.json", { with: { type: "json" } }),
  fr: () => import("../words/fr.json", { with: { type: "json" } }),
  hi: () => import("../words/hi.json", { with: { type: "json" } }),
  ja: () => import("../words/ja.json", { with: { type: "json" } }),
  pt: () => import("../words/pt.json", { with: { type: "json" } }),
  zh: () => import("../words/zh.json", { with: { type: "json" } }),
};

/** The languages that there are, as primary language subtags. */
export const languages = ["en", ...Object.keys(others)];

/**
 * Returns the first wanted language that there is, and English if there is none. The locale is the whole
 * tag, so that British volunteers get British times.
 *
 * @param {readonly string[]} wanted language tags, the preferred one first
 */
export function chosenLanguage(wanted) {
  for (const locale of wanted) {
    const language = languageOf(locale);
    if (language !== undefined && languages.includes(language)) return { language, locale };
  }
  return { language: "en", locale: "en" };
}

/** @param {string} tag */
function languageOf(tag) {
  try {
    return new Intl.Locale(tag).language;
  } catch {
    // Not a language tag: anything can stand in an attribute.
    return undefined;
  }
}

/**
 * Loads the words for the wanted languages. Rejects if their file cannot be loaded.
 *
 * @param {readonly string[]} wanted
 */
export async function loadWords(wanted) {
  const { language, locale } = chosenLanguage(wanted);
  const file = await others[language]?.();
  return file ? new Words(/** @type {Texts} */ (file.default), locale) : new Words(english, locale);
}

export class Words {
  #texts;
  #plural;

  /**
   * @param {Texts} texts
   * @param {string} locale
   */
  constructor(texts, locale) {
    this.#texts = texts;
    this.#plural = new Intl.PluralRules(locale);
    this.locale = locale;
  }

  static english = new Words(english, "en");

  get isRightToLeft() {
    return this.#texts.direction === "rtl";
  }

  /**
   * Returns the text of a key with values for its placeholders. Numbers are formatted, and `count` selects
   * the plural form.
   *
   * @param {Key} key
   * @param {Values} [values]
   */
  text(key, values = {}) {
    const found = this.#texts[key];
    const form = typeof found === "string" ? found : this.#form(found, Number(values.count));
    return form.replace(/\{(\w+)\}/g, (_, name) => this.#value(values[name]));
  }

  /**
   * @param {Partial<Record<Intl.LDMLPluralRule, string>>} forms
   * @param {number} count
   */
  #form(forms, count) {
    return forms[this.#plural.select(count)] ?? forms.other ?? "";
  }

  /** @param {string | number | undefined} value */
  #value(value) {
    if (typeof value === "number") return this.number(value);
    const text = value ?? "";
    // Isolated, so that a name in Latin letters does not turn the order of the words around it.
    return this.isRightToLeft ? `\u2068${text}\u2069` : text;
  }

  /**
   * Joins the sentences that are not empty.
   *
   * @param {string[]} sentences
   */
  join(...sentences) {
    return sentences.filter(Boolean).join(this.text("between"));
  }

  /**
   * @param {number} value
   * @param {Intl.NumberFormatOptions} [options]
   */
  number(value, options) {
    return new Intl.NumberFormat(this.locale, options).format(value);
  }

  /** @param {number} value in percent */
  percent(value) {
    return this.number(value / 100, { style: "percent" });
  }

  /** @type {(value: number, unit: string, options?: Intl.NumberFormatOptions) => string} */
  #unit(value, unit, options) {
    return this.number(value, { style: "unit", unit, unitDisplay: "short", ...options });
  }

  /**
   * Formats a duration in at most two units, rounded down.
   *
   * @param {number} ms
   */
  duration(ms) {
    const seconds = Math.floor(ms / 1000);
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    if (minutes === 0) return this.#unit(seconds, "second");
    const [first, second] =
      hours > 0
        ? [this.#unit(hours, "hour"), minutes % 60 && this.#unit(minutes % 60, "minute")]
        : [this.#unit(minutes, "minute"), seconds % 60 && this.#unit(seconds % 60, "second")];
    return second ? `${first} ${second}` : first;
  }

  /**
   * Formats an amount of data, with two or three significant digits.
   *
   * @param {number} bytes
   */
  size(bytes) {
    if (bytes < 1e6) return this.#unit(Math.ceil(bytes / 1e3), "kilobyte");
    const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
    return bytes < 1e9
      ? this.#unit(bytes / 1e6, "megabyte", digits)
      : this.#unit(bytes / 1e9, "gigabyte", digits);
  }

  /** @param {number} moment in milliseconds since 1970 */
  timeOfDay(moment) {
    const format = new Intl.DateTimeFormat(this.locale, { hour: "2-digit", minute: "2-digit" });
    return format.format(moment);
  }
}
