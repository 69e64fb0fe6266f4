// The volunteer page of `distcompute map`: the panel, and the name of the project.

import "distcompute-volunteer";

const panel = /** @type {import("distcompute-volunteer").DistcomputeVolunteer} */ (
  document.getElementById("panel")
);
const tracker = new URL("../", document.baseURI);
panel.stage = STAGES.join(" ");
panel.tracker = tracker.href;

const { project } = await (await fetch(new URL("api/project", tracker))).json();
document.title = project;
const heading = document.getElementById("project");
if (heading) heading.textContent = project;
