// Keeps a visible page up to date: fetches it again and updates only the nodes that differ, so that
// scroll position, focus and selection are kept. A hidden page makes no requests.

// The tracker may serve a page that is half a second old, so a change appears within two seconds.
const INTERVAL_MS = 1000;
const LONGEST_MS = 60000;

const freshness = document.getElementById("freshness");
let tag = null;
let pause = INTERVAL_MS;
let timer = 0;
let running = null;

/** Whether two nodes represent the same thing, perhaps in different states. */
function alike(old, fresh) {
  return (
    old.nodeType === fresh.nodeType &&
    old.nodeName === fresh.nodeName &&
    old.id === fresh.id &&
    old.dataset?.key === fresh.dataset?.key
  );
}

/** Updates `old` to equal `fresh`, keeping every node that can stay. */
function patch(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // Elements that update themselves: the preview's frame, the line about freshness.
  if (old.dataset?.fixed !== undefined) return;
  if (old.nodeName === "TIME") {
    if (old.dateTime !== fresh.dateTime) {
      old.dateTime = fresh.dateTime;
      old.title = fresh.textContent;
      showAge(old);
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
      // Found further down: a row above was removed, or the order has changed.
      old.insertBefore(known, at);
      patch(known, wanted);
    } else if (at && alike(at, wanted)) {
      const next = at.nextSibling;
      patch(at, wanted);
      at = next;
    } else {
      const added = document.importNode(wanted, true);
      old.insertBefore(added, at);
      showAges(added);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const ago = new Intl.RelativeTimeFormat("en", { style: "narrow" });

/** Displays a time as the time since then. */
function showAge(time) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
  let text;
  if (seconds < 5) text = "just now";
  else if (seconds < 90) text = ago.format(-seconds, "second");
  else if (seconds < 5400) text = ago.format(-Math.round(seconds / 60), "minute");
  else if (seconds < 129600) text = ago.format(-Math.round(seconds / 3600), "hour");
  else text = ago.format(-Math.round(seconds / 86400), "day");
  if (time.textContent !== text) time.textContent = text;
}

function showAges(root) {
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  const times = root.nodeName === "TIME" ? [root] : root.querySelectorAll("time");
  for (const time of times) {
    if (!time.title) time.title = time.textContent;
    showAge(time);
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
    // A slow connection is left idle for three quarters of the time: its visitor may be volunteering too.
    pause = Math.max(INTERVAL_MS, Math.min(LONGEST_MS, 3 * (performance.now() - began)));
  } catch {
    if (own.signal.aborted) return;
    // All visitors retry: with increasing pauses, and (below) not all at the same moment.
    pause = Math.min(LONGEST_MS, pause * 2);
    say("The tracker cannot be reached; what stands here may be old. Trying again.");
  } finally {
    if (running === own) running = null;
  }
  showAges(document.body);
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
showAges(document.body);
say("This page keeps itself up to date.");
if (!document.hidden) timer = setTimeout(refresh, INTERVAL_MS);
