// Keeps the page fresh while somebody looks at it: fetches it again, and changes only what is
// different, so that the place on the page, the focus and what is selected stay as they are.
// A hidden page asks nothing.

// With the half second that a page may be old, a change is seen within two.
const INTERVAL_MS = 1000;
const LONGEST_MS = 60000;

const freshness = document.getElementById("freshness");
let tag = null;
let pause = INTERVAL_MS;
let timer = 0;
let running = null;

/** Two nodes that are the same thing, perhaps in another state. */
function alike(old, fresh) {
  return (
    old.nodeType === fresh.nodeType &&
    old.nodeName === fresh.nodeName &&
    old.id === fresh.id &&
    old.dataset?.key === fresh.dataset?.key
  );
}

/** Makes `old` like `fresh`, keeping every node that can stay. */
function patch(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // What looks after itself: the preview's frame, the line about freshness.
  if (old.dataset?.fixed !== undefined) return;
  if (old.nodeName === "TIME") {
    if (old.dateTime !== fresh.dateTime) {
      old.dateTime = fresh.dateTime;
      old.title = fresh.textContent;
      tell(old);
    }
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) {
    if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = keyed.get(wanted.dataset?.key);
    if (known && known !== at && alike(known, wanted)) {
      // Further down: somebody above has gone, or the order has changed.
      old.insertBefore(known, at);
      patch(known, wanted);
    } else if (at && alike(at, wanted)) {
      const next = at.nextSibling;
      patch(at, wanted);
      at = next;
    } else {
      const added = document.importNode(wanted, true);
      old.insertBefore(added, at);
      tellAll(added);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const ago = new Intl.RelativeTimeFormat("en", { style: "narrow" });

/** Says a moment as the time since then. */
function tell(time) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
  let text;
  if (seconds < 5) text = "just now";
  else if (seconds < 90) text = ago.format(-seconds, "second");
  else if (seconds < 5400) text = ago.format(-Math.round(seconds / 60), "minute");
  else if (seconds < 129600) text = ago.format(-Math.round(seconds / 3600), "hour");
  else text = ago.format(-Math.round(seconds / 86400), "day");
  if (time.textContent !== text) time.textContent = text;
}

function tellAll(root) {
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  const times = root.nodeName === "TIME" ? [root] : root.querySelectorAll("time");
  for (const time of times) {
    if (!time.title) time.title = time.textContent;
    tell(time);
  }
}

function say(text) {
  if (freshness && freshness.textContent !== text) freshness.textContent = text;
}

async function refresh() {
  const own = new AbortController();
  running = own;
  const began = performance.now();
  const limit = AbortSignal.timeout(LONGEST_MS);
  try {
    const answer = await fetch(location.href, {
      cache: "no-store",
      headers: tag ? { "If-None-Match": tag } : {},
      signal: AbortSignal.any([own.signal, limit]),
    });
    if (answer.status === 404) {
      say("This is not there any more.");
    } else if (answer.status === 304 || answer.ok) {
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        tag = answer.headers.get("ETag");
        if (document.title !== fresh.title) document.title = fresh.title;
        patch(document.getElementById("main"), fresh.getElementById("main"));
      }
      say("This page keeps itself up to date.");
    } else {
      throw new Error(`status ${answer.status}`);
    }
    // A slow line is left alone for three quarters of the time: whoever looks may also volunteer.
    pause = Math.max(INTERVAL_MS, Math.min(LONGEST_MS, 3 * (performance.now() - began)));
  } catch {
    if (own.signal.aborted) return;
    // Everybody who looks asks again; not all at the same moment, and ever less often.
    pause = Math.min(LONGEST_MS, pause * 2);
    say("The tracker cannot be reached; what stands here may be old. Trying again.");
  } finally {
    if (running === own) running = null;
  }
  tellAll(document.body);
  if (!document.hidden) timer = setTimeout(refresh, pause * (0.9 + Math.random() * 0.2));
}

function follow() {
  clearTimeout(timer);
  if (document.hidden) {
    running?.abort();
    running = null;
  } else if (!running) {
    refresh();
  }
}

document.addEventListener("visibilitychange", follow);
tellAll(document.body);
say("This page keeps itself up to date.");
if (!document.hidden) timer = setTimeout(refresh, INTERVAL_MS);
