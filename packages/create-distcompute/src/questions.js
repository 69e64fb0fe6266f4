// The three questions.

import { Failure } from "./failure.js";
import { checkAbout, checkFolder, defaults, templateOf, templates } from "./rules.js";

/**
 * @typedef {object} Terminal
 * @property {boolean} isTerminal whether somebody can answer
 * @property {(text: string) => Promise<string>} question
 * @property {(text: string) => void} print
 */

/**
 * Asks for what is not given.
 *
 * @param {import("./options.js").Options} given
 * @param {Terminal} terminal
 * @returns {Promise<{ folder: string, about: string, template: string }>}
 */
export async function ask({ yes, ...given }, terminal) {
  const open = Object.keys(defaults).some((name) => given[name] === undefined);
  if (open && !yes && !terminal.isTerminal) {
    throw new Failure(
      "There is no terminal to ask in. Give FOLDER, --about and --template, or --yes for the defaults (after --, " +
        "because npm takes options before it for its own).",
    );
  }
  const answer = async (name, { text, check }) => {
    if (given[name] !== undefined) return given[name];
    if (yes) return check(defaults[name]);
    for (;;) {
      const answered = (await terminal.question(text)).trim();
      try {
        return check(answered === "" ? defaults[name] : answered);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        terminal.print(error.message);
      }
    }
  };
  const list = Object.values(templates).map((what, index) => `  ${index + 1} ${what}\n`);
  return {
    folder: await answer("folder", {
      text: `Name of the project, which is that of its folder (${defaults.folder}): `,
      check: checkFolder,
    }),
    about: await answer("about", {
      text: "What it computes, in a sentence for volunteers: ",
      check: checkAbout,
    }),
    template: await answer("template", {
      text: `What to begin with:\n${list.join("")}1, 2 or 3 (1): `,
      check: templateOf,
    }),
  };
}
