// What a benchmark may be asked: lists, numbers and switches, and whether that leaves a run of everything.

import { Failure } from "../scripts/failure.mjs";

/**
 * @param {string[]} args
 * @param {{ usage: string, lists: Record<string, { all: string[], takes?: (word: string) => boolean }>,
 *   numbers: Record<string, number>, switches?: string[], quick: object, harmless?: string[] }} known
 *   `lists` and `numbers` with their defaults by the flag's name, flags without a value, what
 *   `--quick` changes, and the flags that leave a run whole: shorter or longer is still everything,
 *   and the report says how long
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
