// Parses the command-line options of a benchmark, and decides whether they select a complete run.

import { Failure } from "../scripts/failure.mjs";

/**
 * @param {string[]} args
 * @param {{ usage: string, lists: Record<string, { all: string[], takes?: (word: string) => boolean }>,
 *   numbers: Record<string, number>, switches?: string[], quick: object, harmless?: string[] }} known
 *   `lists` and `numbers` are options with a value and their defaults, `switches` are flags without
 *   one; `quick` is what `--quick` changes; `harmless` are the options with which a run is still
 *   complete, such as its duration, which the report states
 * @returns {any} lists, numbers, switches, and `everything`
 */
export function readArguments(args, { usage, lists, numbers, switches = [], quick, harmless }) {
  const whole = harmless ?? ["rounds", "seconds"];
  const defaults = Object.entries(lists).map(([name, { all }]) => [name, all]);
  const off = Object.fromEntries(switches.map((name) => [name, false]));
  const wanted = { ...Object.fromEntries(defaults), ...numbers, ...off, everything: true };
  const rest = [...args];
  while (rest.length > 0) {
    const flag = rest.shift();
    const name = flag.replace(/^--/, "");
    wanted.everything &&= whole.includes(name);
    if (flag === "--quick") Object.assign(wanted, quick);
    else if (flag !== name && switches.includes(name)) wanted[name] = true;
    else if (flag !== name && Object.hasOwn(lists, name) && isList(lists[name], rest[0]))
      wanted[name] = rest.shift().split(",");
    else if (flag !== name && Object.hasOwn(numbers, name) && Number(rest[0]) > 0)
      wanted[name] = Number(rest.shift());
    else throw new Failure(`Invalid option: ${[flag, ...rest].join(" ")}`, { remedy: usage });
  }
  return wanted;
}

function isList({ all, takes = (word) => all.includes(word) }, text = "") {
  return text !== "" && text.split(",").every(takes);
}
