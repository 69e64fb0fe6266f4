// Takes from a thread what would help its script to get around the permissions of the process. They hold for
// threads too, except for those that are started with options of their own; and they do not cover signals to
// other processes. What a browser's worker has stays.

import inspector from "node:inspector";
import module, { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";

/** @param {string} name */
function refusing(name) {
  // Also a class, which `new` calls.
  return function refused() {
    throw new Error(`${name} is not there for the scripts of volunteers.`);
  };
}

export function confine() {
  const closed = [
    { of: threads, names: ["Worker"] },
    // Both run code in threads that have what is taken here.
    { of: module, names: ["register"] },
    { of: inspector, names: ["Session", "open"] },
    { of: process, names: ["kill", "abort", "binding", "dlopen"] },
    // Undocumented, such as `_debugProcess`, which signals.
    {
      of: process,
      names: Object.keys(process).filter((name) => /^_(?!events|exiting)/.test(name)),
    },
  ];
  for (const { of, names } of closed) {
    for (const name of names) {
      const value = typeof of[name] === "function" ? refusing(name) : undefined;
      Object.defineProperty(of, name, { value, writable: false, configurable: false });
    }
  }
  syncBuiltinESMExports();
}
