// The sentences that people read. Pure: states and numbers in, plain words out.

/** @typedef {import("./core.js").Core} Core */

/**
 * What the page as a whole is doing.
 *
 * @typedef {object} Crew
 * @property {"idle" | "running" | "stopping" | "stopped" | "finished"} state
 * @property {Core[]} cores
 */

/**
 * @param {Crew} crew
 * @param {number} now milliseconds of the clock
 */
export function crewSentence({ state, cores }, now) {
  switch (state) {
    case "idle":
      return "Nothing runs until you press Start.";
    case "stopping":
      return "Stopping: unfinished jobs are being put back.";
    case "stopped":
      return "Stopped. Unfinished jobs were put back for others.";
    case "finished":
      return "The poster is finished. Thank you!";
    default:
      return runningSentence(cores, now);
  }
}

/**
 * @param {Core[]} cores
 * @param {number} now
 */
function runningSentence(cores, now) {
  const waiting = cores.filter((core) => core.state === "waiting");
  const away = waiting.filter((core) => core.why === "unreachable");
  // Once one core cannot hand in, people should know, though others may still be computing.
  if (away.length > 0) return coreSentence(soonest(away), now);
  const busy = cores.filter((core) => isBusy(core)).length;
  if (busy > 0) return `Working on ${count(busy, "core")}.`;
  if (waiting.length > 0) return coreSentence(soonest(waiting), now);
  const hurt = cores.filter((core) => core.state === "broken");
  if (hurt.length > 0) return coreSentence(soonest(hurt), now);
  return `Starting ${count(cores.length, "core")}.`;
}

/**
 * @param {Core} core
 * @param {number} now
 */
export function coreSentence(core, now) {
  const left = Math.ceil((core.until - now) / 1000);
  switch (core.state) {
    case "starting":
      return "Getting ready.";
    case "asking":
      return "Asking for a job.";
    case "working":
      return `${doing(core.stageName)} job ${core.number}.`;
    case "sending":
      return `Handing in job ${core.number}.`;
    case "waiting":
      return core.why === "no_jobs"
        ? `No open jobs. ${again("Asking", left)}`
        : `The tracker cannot be reached. ${again("Trying", left)}`;
    case "stopping":
      return "Putting its job back.";
    case "stopped":
      return "Stopped.";
    case "broken":
      return `This core's worker failed. ${again("Starting it", left)}`;
  }
}

/**
 * The sentence without its countdown, for screen readers: it changes only when the matter does.
 *
 * @param {string} sentence
 */
export function withoutCountdown(sentence) {
  return sentence.replace(/ (Asking|Trying|Starting it) again (in \d+ s|now)\.$/, "");
}

/**
 * @param {string} what
 * @param {number} left
 */
function again(what, left) {
  return left > 0 ? `${what} again in ${left} s.` : `${what} again now.`;
}

/** @param {Core} core */
function isBusy({ state }) {
  return state === "working" || state === "sending" || state === "asking";
}

/** @param {string} stageName */
function doing(stageName) {
  return { Render: "Rendering", Check: "Checking" }[stageName] ?? `${stageName}:`;
}

/** @param {Core[]} cores */
function soonest(cores) {
  return cores.reduce((best, core) => (core.until < best.until ? core : best));
}

/**
 * @param {number} number
 * @param {string} noun
 */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * How far the poster is.
 *
 * @param {{ tiles: number, checked: number, rendered: number }} picture `rendered`: not yet checked
 */
export function pictureSentence({ tiles, checked, rendered }) {
  if (checked + rendered === 0) return `None of ${count(tiles, "tile")} is painted yet.`;
  if (checked === tiles) return `All ${count(tiles, "tile")} painted and checked.`;
  const waiting = rendered > 0 ? `, ${rendered} more in grey wait for a check` : "";
  return `${checked} of ${count(tiles, "tile")} painted and checked${waiting}.`;
}

/**
 * A length of time, roughly.
 *
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
