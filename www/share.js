// How much of the connection the picture may use beside the volunteer's jobs. Pure functions.

/** @typedef {import("distcompute-client").VolunteerStatus} Status */

/**
 * Returns the share of the time that may be spent on fetching tiles for the picture: 0 until the first
 * job has started, while jobs are being fetched, and while the tracker cannot be reached; a quarter
 * while jobs are computed; 1 otherwise.
 *
 * @param {Status} status
 * @param {boolean} wanted whether Start was pressed
 */
export function pictureShare(status, wanted) {
  const { state, reason } = status.elsewhere ?? status;
  const { code } = reason;
  if (["unreachable", "asked_to_wait", "fetching"].includes(code)) return 0;
  if (state === "computing") return 0.25;
  return wanted && (state === "starting" || code === "starting") ? 0 : 1;
}
