// `work` as the owner's worker script calls it: its argument, and what the page makes of the
// worker. No rule belongs here.

import { ask, isLoaded, isWorker, makeError, tellPage, whenLoaded, wordOf } from "./face.js";
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

/** What is wrong with the names in the argument, as the rules see it once they are loaded. */
const misspelt = (given) => (isLoaded() ? ask("work", "misspelt", given) : undefined);

let called = false;

/**
 * Becomes what the page says: the hub, or a worker that computes. That may be before the wasm is
 * there: then `adopt` loads it, given what the page has sent of it, and the page's messages wait.
 *
 * Without `adopt` the owner's script has to load it. The page is then told that this worker is ready
 * when it is, because it ends workers that do not answer.
 */
export function begin(given, adopt) {
  const parts = read(given);
  const wrong = !isWorker()
    ? "work() is for the script of a dedicated worker, which a Volunteer's spawn() starts."
    : (misspelt(given) ??
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
  const obey = (data) => {
    if (hear) hear(wordOf(data), data);
    else if (data.t === "compute") {
      // A second one: the hub has died, and another wants to know how far this worker is.
      if (core) core.meet(data.port);
      else core = ask("work", "compute", parts, data.port);
    } else if (data.t === "hub" && !core) {
      // One that could not begin hears nothing more.
      hear = ask("work", "hub", data.setup) ?? (() => {});
    }
  };
  /** Messages that came before the wasm; `undefined` once it is there. */
  let early = isLoaded() ? undefined : [];
  const load = async (wasm) => {
    try {
      await (adopt ? adopt(wasm) : whenLoaded());
      const late = misspelt(given);
      if (late) throw makeError("InvalidArgumentError", "invalid_argument", late);
    } catch (error) {
      return tellPage("error", { message: String(error?.message ?? error) });
    }
    const messages = early;
    early = undefined;
    // An error of our own reaches the page, as it does where no message waited.
    for (const data of messages) obey(data);
  };
  addEventListener("message", ({ data }) => {
    if (data?.dc !== 1) return;
    if (!early) return obey(data);
    if (early.push(data) === 1) load(data.wasm).catch(reportError);
  });
  if (adopt || isLoaded()) tellPage("ready");
  else whenLoaded().then(() => tellPage("ready"));
}

export function work(parts) {
  begin(parts);
}
