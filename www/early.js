// Records what the visitor presses and fills in while the page is still loading, which can take a
// while on a slow connection. This is a classic script, so that it runs before the form is usable;
// page.js continues from the record once it is loaded.

{
  /** @type {import("./controls.js").Early} */
  const early = { pressed: false, edited: new Set(), end };
  Object.assign(window, { early });

  /** @param {string} text */
  const showStatus = (text) => {
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
    showStatus("Still loading. Your computer starts as soon as the page is ready.");
  }

  /** @param {Event} event */
  function edited({ target }) {
    if (target instanceof HTMLInputElement) early.edited.add(target.id);
  }

  /** @param {Event} event */
  function failed({ target }) {
    if (target instanceof HTMLScriptElement) {
      showStatus("A part of this page could not be loaded. Reload it to try again.");
    }
  }

  function end() {
    removeEventListener("submit", submitted);
    removeEventListener("input", edited);
    removeEventListener("error", failed, true);
  }

  addEventListener("submit", submitted);
  addEventListener("input", edited);
  // A script that fails to load dispatches an `error` event that does not bubble, hence the capture.
  addEventListener("error", failed, true);
}
