// What the page knows of one core, and how each message of its worker changes that. Pure.

/**
 * @typedef {object} Core
 * @property {"starting" | "asking" | "working" | "sending" | "waiting" | "stopping" | "stopped"
 *   | "broken"} state
 * @property {string} stageName
 * @property {number} number the job's
 * @property {number} done
 * @property {number} total
 * @property {import("./messages.js").Why} [why] while it waits
 * @property {number} until when a wait ends, in milliseconds of the clock
 * @property {string} note what happened last, where people should know
 * @property {Record<string, number>} finished jobs done, by stage
 * @property {number} flagged
 * @property {number} ms time spent on the jobs done
 */

/** @returns {Core} */
export function newCore() {
  return {
    ...{ state: "starting", stageName: "", number: 0, done: 0, total: 1, until: 0, note: "" },
    ...{ finished: {}, flagged: 0, ms: 0 },
  };
}

/**
 * @param {Core} core
 * @param {import("./messages.js").FromWorker} message
 * @returns {Core}
 */
export function after(core, message) {
  switch (message.type) {
    case "job": {
      const { stageName, number } = message;
      return { ...core, state: "working", stageName, number, done: 0, total: 1 };
    }
    case "progress":
      return { ...core, state: "working", done: message.done, total: message.total };
    case "sending":
      return { ...core, state: "sending", done: 1, total: 1 };
    case "waiting":
      return { ...core, state: "waiting", why: message.why, until: message.until };
    case "done": {
      const count = (core.finished[message.stage] ?? 0) + 1;
      const finished = { ...core.finished, [message.stage]: count };
      return { ...core, state: "asking", note: "", finished, ms: core.ms + message.ms };
    }
    case "flagged": {
      const note = `Sent job ${core.number} back: ${message.reason}.`;
      return { ...core, state: "asking", flagged: core.flagged + 1, note };
    }
    case "lost": {
      const note = `Job ${core.number} had already gone to somebody else.`;
      return { ...core, state: "asking", note };
    }
    default:
      return core;
  }
}

/**
 * The worker died or fell silent; another takes its place at `until`.
 *
 * @param {Core} core
 * @param {string} reason
 * @param {number} until
 * @returns {Core}
 */
export function broken(core, reason, until) {
  return { ...core, state: "broken", note: reason, until };
}

/**
 * What all cores did together.
 *
 * @param {Core[]} cores
 */
export function totals(cores) {
  /** @param {(core: Core) => number} of */
  const sum = (of) => cores.reduce((so, core) => so + of(core), 0);
  return {
    rendered: sum((core) => core.finished.a ?? 0),
    checked: sum((core) => core.finished.b ?? 0),
    flagged: sum((core) => core.flagged),
    ms: sum((core) => core.ms),
  };
}
