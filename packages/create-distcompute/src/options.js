// The options of `npm create distcompute`.

import { parseArgs } from "node:util";

import { Failure } from "./failure.js";
import { checkAbout, checkFolder, templateOf, templates } from "./rules.js";

const list = Object.entries(templates)
  .map(([name, what]) => `                    ${name.padEnd(10)}${what}`)
  .join("\n");

export const usage = `Usage: npm create distcompute [FOLDER] [-- options]

Makes a volunteer-computing project in a new folder, whose name is the project's. Asks for what is not given:
its name, what it computes, and the template.

  --about TEXT      what it computes, in a sentence for volunteers
  --template NAME   what to begin with:
${list}
  --yes             ask nothing, and take the defaults`;

/**
 * @typedef {object} Options
 * @property {string} [folder]
 * @property {string} [about]
 * @property {string} [template]
 * @property {boolean} yes
 */

/**
 * @param {string[]} args
 * @returns {Options | "help"}
 */
export function readOptions(args) {
  const { values, positionals } = parsed(args);
  if (values.help) return "help";
  if (positionals.length > 1) {
    throw new Failure(`There is one project at a time, not ${positionals.length}.\n\n${usage}`);
  }
  const [folder] = positionals;
  return {
    folder: folder === undefined ? undefined : checkFolder(folder),
    about: values.about === undefined ? undefined : checkAbout(values.about),
    template: values.template === undefined ? undefined : templateOf(values.template),
    yes: values.yes ?? false,
  };
}

function parsed(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        about: { type: "string" },
        template: { type: "string" },
        yes: { type: "boolean", short: "y" },
      },
    });
  } catch (error) {
    throw new Failure(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}
