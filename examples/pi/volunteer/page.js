// The page for volunteers: a button, and what it does.

// The tracker serves the client to the pages that it serves.
import loadWasm, { Volunteer } from "/client/distcompute_client.js";

await loadWasm();
const volunteer = new Volunteer({
  url: location.origin,
  stage: "a",
  settings: { cores: 1 },
  spawn: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
});
volunteer.subscribe(({ state, jobsDone }) => {
  document.querySelector("#status").textContent = `${state}, ${jobsDone} jobs done`;
});
const button = document.querySelector("#start");
button.onclick = () => {
  button.disabled = true;
  volunteer.start();
};
button.disabled = false;
