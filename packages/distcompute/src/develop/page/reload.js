// Reloads the page during development when it has been built again. If it was computing, it goes on.

const everyMs = 300;
const key = "distcompute:computing";
const panel = document.querySelector("distcompute-volunteer");

if (sessionStorage.getItem(key)) {
  sessionStorage.removeItem(key);
  // Once the panel is there.
  const pressing = setInterval(() => {
    const button = panel?.shadowRoot?.getElementById("start");
    if (!(button instanceof HTMLButtonElement) || button.disabled) return;
    clearInterval(pressing);
    button.click();
  }, everyMs);
}

let known;
setInterval(async () => {
  try {
    const answer = await fetch(new URL("version.txt", document.baseURI), { cache: "no-store" });
    if (!answer.ok) return;
    const version = await answer.text();
    known ??= version;
    if (version === known) return;
    const { state = "stopped" } = panel?.volunteer?.status ?? {};
    if (state !== "stopped") sessionStorage.setItem(key, "yes");
    location.reload();
  } catch {
    // The tracker is being started.
  }
}, everyMs);
