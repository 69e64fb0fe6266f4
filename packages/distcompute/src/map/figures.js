// The text of the line that shows how far a run is.

/**
 * @typedef {object} Figures
 * @property {number} total inputs so far
 * @property {boolean} isAll whether these are all inputs
 * @property {number} done
 * @property {number} failed
 * @property {number} held jobs in work
 * @property {number} volunteers
 * @property {number} cores of this machine that compute
 * @property {number} perSecond
 */

export const grouped = (number) => number.toLocaleString("en-US");

/** @param {Figures} figures */
export function progressText(figures) {
  const { total, isAll, done, failed, held, volunteers, cores, perSecond } = figures;
  const left = total - done - failed;
  const parts = [`${grouped(done)} of ${grouped(total)}${isAll ? "" : "+"} done`];
  if (failed > 0) parts.push(`${grouped(failed)} failed`);
  parts.push(`${grouped(held)} in work`, `${grouped(Math.max(0, left - held))} open`);
  parts.push(counted(volunteers, "volunteer"), `${counted(cores, "core")} here`);
  parts.push(`${rate(perSecond)} jobs/s`);
  if (isAll && left > 0 && perSecond > 0) parts.push(`${duration(left / perSecond)} left`);
  return parts.join(" · ");
}

export function counted(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function rate(perSecond) {
  return perSecond < 10 ? perSecond.toFixed(1) : grouped(Math.round(perSecond));
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
