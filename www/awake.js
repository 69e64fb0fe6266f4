// Keeps the screen from going dark, where the browser can.

export class Awake {
  #wanted = false;
  #asking = false;
  #again = false;
  /** @type {WakeLockSentinel | undefined} */
  #lock;

  constructor() {
    // Browsers take it away from a page that is hidden.
    document.addEventListener("visibilitychange", () => this.#settle());
  }

  /** Browsers keep it for secure pages. */
  static get isPossible() {
    return "wakeLock" in navigator;
  }

  /** @param {boolean} wanted */
  want(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#settle();
  }

  async #settle() {
    // One request at a time, which may never be answered: nobody waits for it.
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    this.#again = false;
    try {
      if (!this.#wanted) await this.#lock?.release();
      else if (!document.hidden) {
        this.#lock = await navigator.wakeLock.request("screen");
        // Wanted no more meanwhile.
        if (!this.#wanted) await this.#lock.release();
      }
    } catch {
      // Refused, as while the battery is low: then the screen goes dark, and that is all.
    } finally {
      this.#asking = false;
      if (this.#again) this.#settle();
    }
  }
}
