// How much of the line the picture may have, beside the volunteer's own jobs. Pure.

/** @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status */

/**
 * Which part of the time may go into fetching what the picture shows: nothing before the first job
 * has begun, while jobs are being fetched or the tracker is not reached, a quarter while jobs are done,
 * all of it otherwise.
 *
 * @param {Status} status
 * @param {boolean} wanted Start was pressed
 */
export function pictureShare(status, wanted) {
  const { state, reason } = status.elsewhere ?? status;
  const { code } = reason;
  if (["unreachable", "asked_to_wait", "fetching"].includes(code)) return 0;
  if (state === "computing") return 0.25;
  return wanted && (state === "starting" || code === "starting") ? 0 : 1;
}
