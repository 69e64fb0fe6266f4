// `work` as the owner's worker script calls it: its argument, and what the page makes of the
// worker. No rule belongs here.

import { isWorker, makeError, tellPage, wordOf } from "./face.js";
import { countNested } from "./nested.js";

/** The owner's functions and their `this`; undefined where they are none. */
function read(parts) {
  if (typeof parts === "function") return { handler: parts };
  try {
    const { setup, handler } = parts;
    const fits = [handler, setup ?? handler].every((given) => typeof given === "function");
    return fits ? { owner: parts, setup, handler } : undefined;
  } catch {
    return undefined;
  }
}

let called = false;

/**
 * Becomes what the page says: the door's `hub` makes this worker the hub and answers what hears the
 * page from then on, its `compute` makes it one that computes.
 */
export function begin(given, door) {
  const parts = read(given);
  const wrong = !isWorker()
    ? "work() is for the script of a dedicated worker, which a Volunteer's spawn() starts."
    : (door("misspelt", given) ??
      (parts
        ? called && "work() was called before in this worker."
        : "work() takes a function, or an object { setup?, handler } of functions."));
  if (wrong) {
    tellPage("error", { message: wrong });
    throw makeError("InvalidArgumentError", "invalid_argument", wrong);
  }
  called = true;
  countNested();
  let core, hear;
  addEventListener("message", ({ data }) => {
    if (data?.dc !== 1) return;
    if (hear) hear(wordOf(data), data);
    else if (data.t === "compute") {
      // A second one: the hub has died, and another wants to know how far this worker is.
      if (core) core.meet(data.port);
      else core = door("compute", parts, data.port);
    } else if (data.t === "hub" && !core) {
      // One that could not begin hears nothing more.
      hear = door("hub", data.setup) ?? (() => {});
    }
  });
  tellPage("ready");
}
