// The sentences that the panel shows. Pure functions from a status to text.

/**
 * @typedef {import("distcompute-client").VolunteerStatus} Status
 * @typedef {import("distcompute-client").VolunteerReason} Reason
 * @typedef {import("distcompute-client").CoreStatus} Core
 * @typedef {import("./words.js").Words} Words
 */

/**
 * What the sentences depend on besides the volunteer's status.
 *
 * @typedef {object} Context
 * @property {Words} words
 * @property {string} finished the sentence for a project that has nothing left to do; empty before that
 * @property {boolean} begun whether Start was ever pressed in this tab
 * @property {boolean} wanted whether this tab computes, or waits to take over from another tab
 * @property {number} now the current time, in milliseconds since 1970
 * @property {boolean} [countdown] whether the seconds until the next attempt are part of the sentence.
 *   Screen readers announce every change, and would otherwise announce the sentence every second.
 */

/** @typedef {Context & { status: Status, until: number | null }} Situation */

/**
 * How a tracker refuses a volunteer, by the code of the error, and what the volunteer can do.
 *
 * @type {Map<string, Record<"sentence" | "advice", import("./words.js").Key>>}
 */
const refusals = new Map([
  ["banned", { sentence: "banned", advice: "advice.banned" }],
  ["join_key_required", { sentence: "keyless", advice: "advice.key" }],
]);

/**
 * The sentence for each reason. `until` is a time in milliseconds since 1970.
 *
 * @type {Record<Reason["code"], (situation: Situation) => string>}
 */
const reasons = {
  computing: ({ status, words }) => {
    const count = status.cores.filter(({ state }) => state === "working").length;
    const { intensity } = status.settings;
    const values = { count, share: words.percent(intensity) };
    const away = status.connection === "unreachable" ? words.text("computing.away") : "";
    return words.join(words.text(intensity < 100 ? "computing.gently" : "computing", values), away);
  },
  starting: ({ words }) => words.text("starting"),
  fetching: ({ words }) => words.text("fetching"),
  no_jobs: (situation) => withAttempt("no_jobs", "ask", situation),
  project_paused: ({ status, words }) => words.join(words.text("project_paused"), status.notice),
  unreachable: (situation) => withAttempt("unreachable", "try", situation),
  asked_to_wait: (situation) => {
    const { words } = situation;
    const time = timeLeft(situation);
    return time === "" ? words.text("asked_to_wait") : words.text("asked_to_wait.time", { time });
  },
  no_tracker: (situation) => {
    const { code } = situation.status.error ?? {};
    return withAttempt(refusals.get(code ?? "")?.sentence ?? "no_tracker", "try", situation);
  },
  paused: ({ until, words }) =>
    until === null
      ? words.text("paused")
      : words.text("paused.until", { time: words.timeOfDay(until) }),
  on_battery: ({ words }) => words.text("on_battery"),
  outside_hours: ({ until, now, words }) =>
    words.text("outside_hours", { time: words.timeOfDay(until ?? now) }),
  hidden: ({ words }) => words.text("hidden"),
  another_tab: (situation) => otherTab(situation),
  setup_failed: (situation) => withAttempt("setup_failed", "try", situation),
  jobs_fail: (situation) => withAttempt("jobs_fail", "try", situation),
  worker_failed: (situation) => withAttempt("worker_failed", "try", situation),
  finishing: ({ words }) => words.text("finishing"),
  stopping: ({ words }) => words.text("stopping"),
  stopped: ({ begun, words }) => words.text(begun ? "stopped" : "stopped.first"),
  updating: ({ words }) => words.text("updating"),
  failed: ({ words }) => words.text("failed"),
};

/**
 * Describes whether the page computes, why, and until when.
 *
 * @param {Status} status
 * @param {Context} context
 * @returns {string}
 */
export function statusSentence(status, context) {
  if (context.finished && !isBusy(status)) return context.finished;
  // A core pauses at its next progress report, which can take several seconds.
  if (status.state === "paused" && status.cores.some(({ state }) => state === "working")) {
    return context.words.text("pausing");
  }
  const { code, until } = status.reason;
  // A newer client may know more reasons.
  return (reasons[code] ?? reasons.fetching)({ ...context, status, until });
}

/**
 * Whether this tab computes or is about to.
 *
 * @param {Pick<Status, "state">} status
 */
export function isBusy({ state }) {
  return state !== "stopped" && state !== "failed" && state !== "elsewhere";
}

/**
 * Describes the tab that computes in place of this one, and, if Start was pressed here, what happens
 * next.
 *
 * @param {Situation} situation
 */
function otherTab({ status, ...context }) {
  const { words, wanted } = context;
  const { reason } = status.elsewhere ?? {};
  const isKnown = reason !== undefined && reason.code !== "another_tab";
  const says = isKnown
    ? words.text("another_tab.says", {
        sentence: reasons[reason.code]({ ...context, status, until: reason.until }),
      })
    : words.text("another_tab");
  return words.join(says, wanted ? words.text("another_tab.next") : "");
}

/**
 * A sentence, followed by the time of the next attempt.
 *
 * @param {import("./words.js").Key} key
 * @param {"ask" | "try"} attempt
 * @param {Situation} situation
 */
function withAttempt(key, attempt, situation) {
  const { words, countdown = true } = situation;
  const time = timeLeft(situation);
  const when = time === "" ? words.text(`${attempt}.now`) : words.text(`${attempt}.time`, { time });
  return words.join(words.text(key), countdown ? when : "");
}

/**
 * The time until the next attempt, rounded up to seconds. Empty if that is now.
 *
 * @param {Situation} situation
 */
function timeLeft({ until, now, words, countdown = true }) {
  const seconds = Math.ceil(((until ?? now) - now) / 1000);
  return seconds > 0 && countdown ? words.duration(seconds * 1000) : "";
}

/**
 * Explains what to do about a failure, and what exactly has failed. Empty while there is none.
 *
 * @param {Status} status
 * @param {Words} words
 */
export function advice({ reason, error }, words) {
  /** @type {Partial<Record<Reason["code"], string>>} */
  const remedies = {
    setup_failed: words.text("advice.reload"),
    jobs_fail: words.text("advice.jobs"),
    worker_failed: words.text("advice.reload"),
    no_tracker: trackerAdvice(error, words),
    failed: words.text("advice.later"),
  };
  const remedy = remedies[reason.code] ?? "";
  // The status sentence already says that a volunteer is refused.
  if (!remedy || !error || refusals.has(error.code)) return remedy;
  return words.join(remedy, words.text("advice.message", { message: error.message }));
}

/**
 * Explains what to do if the tracker has moved, or does not accept work from this volunteer.
 *
 * @param {Status["error"]} error
 * @param {Words} words
 */
function trackerAdvice(error, words) {
  const refusal = refusals.get(error?.code ?? "");
  if (refusal) return words.text(refusal.advice);
  const address = error?.code === "moved" ? error.address : undefined;
  return address ? words.text("advice.moved", { address }) : words.text("advice.owner");
}

/**
 * Describes the connection to the tracker. Empty while there is none.
 *
 * @param {Pick<Status, "state" | "connection">} status
 * @param {Words} words
 */
export function connection({ state, connection }, words) {
  if (state === "stopped" || state === "failed") return "";
  return words.text(`connection.${connection}`);
}

/**
 * @param {Pick<Core, "state" | "job" | "stage">} core
 * @param {Status["stageNames"]} names
 * @param {Words} words
 */
export function coreSentence({ state, job, stage }, names, words) {
  if (state === "starting") return words.text("core.starting");
  if (job === null) return words.text("core.idle");
  if (state === "paused") return words.text("core.paused", { job });
  const name = names[stage ?? ""];
  // The name of the only stage says nothing.
  const isOneOfMany = name && Object.keys(names).length > 1;
  return isOneOfMany
    ? words.text("core.stage", { stage: name, job })
    : words.text("core.working", { job });
}

/**
 * How many jobs a core has done so far, and at what rate.
 *
 * @param {Pick<Core, "jobs" | "jobsPerMinute">} core
 * @param {Words} words
 */
export function coreRecord({ jobs, jobsPerMinute }, words) {
  if (jobs === 0) return words.text("core.none");
  const digits = jobsPerMinute < 10 ? 1 : 0;
  const rate = words.number(jobsPerMinute, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return words.text("core.record", { done: jobs, rate });
}
