// The package for Node, in a script that is no ES module.

const { init } = require("distcompute-client");

import("./job.mjs")
  .then(({ oneJob }) => oneJob(init, process.argv[2]))
  .then((outcome) => console.log(JSON.stringify(outcome)));
