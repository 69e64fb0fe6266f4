// The part of the worker script that calls the owner's function. Bundled for browsers together with it.

/**
 * What `work` takes, for a module that exports a function or `stages`.
 *
 * @param {Record<string, any>} module
 */
export function partsOf(module) {
  const stages = module.stages ?? { a: module.default };
  return {
    setup: () => module.setup?.(),
    handler: (job, context) => {
      const [input] = inputOf(job);
      // A function is not given its job.
      Object.defineProperty(context, "file", { value: job.file, configurable: true });
      const output = stages[job.stage](input, context);
      return typeof output?.then === "function" ? output.then(wrapped) : wrapped(output);
    },
  };
}

/**
 * The data of a job. A volunteer may have handed in what no function of ours returned: then this job fails here, and
 * `distcompute map` has the stage before done again.
 */
function inputOf({ data, stage }) {
  if (Array.isArray(data) && data.length === 1) return data;
  throw new TypeError(`The input of stage ${stage} is no output of the stage before.`);
}

/** An output as an array with one element, because a result cannot be a number, and an output may be. */
function wrapped(output) {
  if (output === undefined) {
    throw new TypeError("The function returned undefined. Return null if there is no output.");
  }
  return [output];
}
