// Runs before anything can be pressed: remembers what is pressed and filled in while the page still
// loads, which takes a while on a slow line. page.js takes it from there.

{
  /** @type {import("./controls.js").Early} */
  const early = { pressed: false, edited: new Set(), end };
  Object.assign(window, { early });

  /** @param {string} text */
  const say = (text) => {
    for (const id of ["status", "status-spoken"]) {
      const place = document.getElementById(id);
      if (place) place.textContent = text;
    }
  };

  /** @param {Event} event */
  function submitted(event) {
    event.preventDefault();
    early.pressed = true;
    const start = document.getElementById("start");
    if (start instanceof HTMLButtonElement) start.disabled = true;
    say("Loading what this page needs. Then it starts.");
  }

  /** @param {Event} event */
  function edited({ target }) {
    if (target instanceof HTMLInputElement) early.edited.add(target.id);
  }

  /** @param {Event} event */
  function failed({ target }) {
    if (target instanceof HTMLScriptElement) {
      say("A part of this page could not be loaded. Reload it to try again.");
    }
  }

  function end() {
    removeEventListener("submit", submitted);
    removeEventListener("input", edited);
    removeEventListener("error", failed, true);
  }

  addEventListener("submit", submitted);
  addEventListener("input", edited);
  // Where scripts fail to load; this does not bubble.
  addEventListener("error", failed, true);
}
