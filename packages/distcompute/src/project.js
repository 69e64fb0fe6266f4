// What a tracker says of its project.

import { address } from "./address.js";
import { Failure, messageOf } from "./failure.js";

/** How long the tracker may take to answer, in milliseconds. */
const answerMs = 30_000;

/**
 * @typedef {object} Project
 * @property {string} url the tracker's address, without a slash at its end
 * @property {string} name
 * @property {string[]} stages letters
 * @property {string} [page] the address of its volunteer page
 */

/**
 * Finds the tracker at `given`, or beside the page that this is the address of.
 *
 * @param {URL} given
 * @returns {Promise<Project>}
 */
export async function findProject(given) {
  const folder = new URL(given);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const candidates = [folder, new URL("..", given)];
  const reasons = [];
  for (const base of candidates) {
    const url = base.href.replace(/\/$/, "");
    const found = await ask(`${url}/api/project`);
    if (typeof found === "string") {
      reasons.push(found);
      continue;
    }
    const { project, stages, volunteer_page: page } = found;
    return {
      url,
      name: String(project),
      stages: stages.map(({ stage }) => String(stage)),
      page: page === undefined ? undefined : `${url}${page}`,
    };
  }
  throw new Failure(`There is no tracker at ${given.href}: ${reasons[0]}`);
}

/** Resolves to the answer, or to a sentence if there is none of a tracker. */
async function ask(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    if (!response.ok) return `${url} answers ${response.status}.`;
    const answer = await response.json();
    return Array.isArray(answer?.stages) ? answer : `${url} answers with something else.`;
  } catch (error) {
    const { cause } = /** @type {any} */ (error);
    return `${url}: ${messageOf(cause ?? error)}.`;
  }
}

/**
 * The address of the project's worker script.
 *
 * @param {Project} project
 * @param {string} [given]
 */
export function workerOf({ url, page }, given) {
  if (given !== undefined) {
    return address(new URL(given, `${url}/`), "the worker script");
  }
  if (page === undefined) {
    throw new Failure(
      "The tracker names no volunteer page, so it is not known where the worker script is: --worker URL.",
    );
  }
  return address(new URL("worker.js", page), "the worker script");
}
