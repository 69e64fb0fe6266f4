// A tracker that exists, whose project `distcompute map` takes for its run.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { Failure, messageOf } from "../failure.js";
import { findProject } from "../project.js";
import { Operator } from "../tracker.js";

/**
 * @param {object} run
 * @param {import("./options.js").Options} run.options
 * @param {import("./state.js").State} run.state
 * @param {string[]} run.stages
 * @param {string} run.worker the path of the worker script
 * @returns {Promise<import("./own.js").Tracker>}
 */
export async function openGiven({ options, state, stages, worker }) {
  const given = /** @type {NonNullable<typeof options.tracker>} */ (options.tracker);
  const project = await findProject(given.url);
  if (project.stages.join() !== stages.join()) {
    const flags = stages.map((letter) => `--stage ${letter}=${letter.toUpperCase()}`).join(" ");
    throw new Failure(
      `The function has the stages ${stages.join(", ")}, and the project at ${project.url} has ` +
        `${project.stages.join(", ")}. Start the tracker with ${flags}.`,
    );
  }
  const operator = new Operator(project.url, given.token, { patient: true });
  // Refused at once if the token is another one.
  await operator.setAside(1);
  const { jobs } = await operator.status();
  if (jobs > state.inputs) {
    throw new Failure(
      `The project at ${project.url} has ${jobs} jobs, of which ${options.state} contains ${state.inputs}. map ` +
        "needs a project of its own: one without jobs, or the one that this folder was begun with.",
    );
  }
  return {
    url: project.url,
    operator,
    joinKey: given.joinKey,
    // It goes on after this run.
    died: new Promise(() => {}),
    announce: (print) => announce({ project, page: state.path("page"), worker }, print),
    stop: async () => {},
  };
}

async function announce({ project, page, worker }, print) {
  if (project.page && (await isServed(new URL("worker.js", project.page), worker))) {
    print(`Volunteers: ${project.page}`);
    return;
  }
  print(
    `For volunteers, the tracker has to serve the page that is in ${page}: --files /volunteer=FOLDER ` +
      "--volunteer-page /volunteer/",
  );
}

/** Whether the tracker serves the script of this run. */
async function isServed(url, worker) {
  const hashOf = (content) => createHash("sha256").update(content).digest("hex");
  try {
    const response = await fetch(url);
    const content = new Uint8Array(await response.arrayBuffer());
    return response.ok && hashOf(content) === hashOf(readFileSync(worker));
  } catch (error) {
    throw new Failure(`${url} cannot be fetched: ${messageOf(error)}`);
  }
}
