// Says so when a script of the page cannot be loaded. This is a classic script, so that it runs before the
// modules are fetched.

{
  /** @param {Event} event */
  const failed = ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    for (const id of ["loading", "picture-text"]) {
      const place = document.getElementById(id);
      if (place)
        place.textContent = "A part of this page could not be loaded. Reload it to try again.";
    }
  };
  // A script that fails to load dispatches an `error` event that does not bubble, hence the capture.
  addEventListener("error", failed, true);
}
