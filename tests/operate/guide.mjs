// Extracts the code blocks of the operator's guide, with the HTML comment before each that describes how to
// run it. The comments are not visible on the page.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../../scripts/places.mjs";

export const guide = readFileSync(join(root, "docs", "operating.md"), "utf8");

/**
 * All blocks in order.
 *
 * @returns {{ kind: string, text: string, note: string, heading: string, line: number }[]}
 */
export function blocks(text = guide) {
  const found = [];
  let heading = "";
  let note = "";
  let open;
  text.split("\n").forEach((line, index) => {
    const fence = line.match(/^(\s*)```(\w*)\s*$/);
    if (open) {
      if (fence && fence[2] === "") {
        found.push({ ...open, text: `${open.lines.join("\n")}\n`, lines: undefined });
        open = undefined;
      } else {
        open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
      }
    } else if (fence) {
      open = { kind: fence[2], indent: fence[1], note, heading, line: index + 1, lines: [] };
      note = "";
    } else {
      heading = line.match(/^#+ (.*)/)?.[1] ?? heading;
      note = line.match(/^\s*<!-- (.*) -->\s*$/)?.[1] ?? (line.trim() === "" ? note : "");
    }
  });
  return found;
}

/** The one block of a kind that contains a text. */
export function block(kind, containing) {
  const found = blocks().filter((block) => block.kind === kind && block.text.includes(containing));
  if (found.length !== 1) {
    throw new Error(`the guide has ${found.length} blocks of ${kind} with ${containing}`);
  }
  return found[0].text;
}
