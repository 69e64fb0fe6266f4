// A screen wake lock that is requested, released and re-acquired as needed.

export class Awake {
  #wanted = false;
  #asking = false;
  #again = false;
  /** @type {WakeLockSentinel | undefined} */
  #lock;

  constructor() {
    // Browsers release the lock when the page is hidden, so it is requested again when it is shown.
    document.addEventListener("visibilitychange", () => this.#settle());
  }

  /** Whether the browser has the Screen Wake Lock API, which is limited to secure contexts. */
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
    // One request at a time. The promise may never settle, so no caller waits for it.
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
        // The checkbox may have been cleared while the request was pending.
        if (!this.#wanted) await this.#lock.release();
      }
    } catch {
      // Browsers may refuse, for example while the battery is low. The screen then turns off as usual.
    } finally {
      this.#asking = false;
      if (this.#again) this.#settle();
    }
  }
}
