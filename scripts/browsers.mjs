// Browsers and their WebDriver programs. Each `ensure` function finds one on this machine, or installs
// it if it is missing, and resolves to its path.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { aptInstall, aptRemedy, canInstall, isRoot } from "./debian.mjs";
import { Failure } from "./failure.mjs";
import { root, which } from "./places.mjs";
import { answer, must } from "./process.mjs";
import { progress } from "./progress.mjs";
import { ensureRustTool } from "./tools.mjs";
import { major, versionIn } from "./version.mjs";

const geckodriverVersion = "0.37.1";
const debianChromium = ["chromium", "chromium-driver"];

/** Chromium's flags: no connections of its own, and no sandbox as root, where it would not start. */
export function chromiumArgs(asRoot = isRoot()) {
  return [
    ...(asRoot ? ["--no-sandbox"] : []),
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    // On machines without a usable GPU Chromium may hang while it initialises it.
    "--disable-gpu",
  ];
}

const chromiumNames = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
];

function chromiumPlaces(env) {
  const windows = [env.PROGRAMFILES, env["PROGRAMFILES(X86)"], env.LOCALAPPDATA].filter(Boolean);
  return [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ...windows.map((folder) => join(folder, "Google", "Chrome", "Application", "chrome.exe")),
    ...windows.map((folder) => join(folder, "Chromium", "Application", "chrome.exe")),
  ];
}

/** Possible paths of Chromium, in order of preference. DISTCOMPUTE_CHROMIUM overrides them. */
export function chromiumCandidates(env = process.env) {
  if (env.DISTCOMPUTE_CHROMIUM) return [env.DISTCOMPUTE_CHROMIUM];
  const named = chromiumNames.map((name) => which(name, env)).filter(Boolean);
  return [...new Set([...named, ...chromiumPlaces(env).filter((file) => existsSync(file))])];
}

/** Possible paths of chromedriver, in order of preference. CHROMEDRIVER overrides them. */
export function chromedriverCandidates(env = process.env) {
  if (env.CHROMEDRIVER) return [env.CHROMEDRIVER];
  const named = ["chromedriver", "chromium.chromedriver"].map((name) => which(name, env));
  const places = ["/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver"];
  return [...new Set([...named.filter(Boolean), ...places.filter((file) => existsSync(file))])];
}

/** On Windows `chrome --version` opens a window, so the version is read from the file's properties. */
async function browserVersion(file) {
  if (process.platform !== "win32") return versionIn(await answer(file, ["--version"]));
  const question = `(Get-Item -LiteralPath '${file}').VersionInfo.ProductVersion`;
  return versionIn(await answer("powershell", ["-NoProfile", "-Command", question]));
}

async function withVersions(files, versionOf) {
  const known = [];
  for (const file of files) {
    const version = await versionOf(file);
    if (version) known.push({ file, version });
  }
  return known;
}

const driverVersion = async (file) => versionIn(await answer(file, ["--version"]));

/** The first browser and driver of the same major version, or undefined. */
export function matchingPair(browsers, drivers) {
  for (const browser of browsers) {
    const driver = drivers.find((one) => major(one.version) === major(browser.version));
    if (driver) return { chromium: browser.file, chromedriver: driver.file };
  }
  return undefined;
}

/** Resolves to the path of the Chromium that Playwright has downloaded, or undefined. */
async function playwrightChromium() {
  const module = join(root, "node_modules", "playwright-core", "index.mjs");
  const { chromium } = await import(pathToFileURL(module).href);
  const file = chromium.executablePath();
  return file && existsSync(file) ? file : undefined;
}

/** Makes sure of a Chromium for the tests that use Playwright. */
export async function ensureChromium() {
  const found = await findChromium();
  if (found) return found;
  const why = "The end-to-end tests open the page in a real browser.";
  if (canInstall()) await aptInstall(debianChromium, why);
  else await downloadChromium(why);
  const installed = await findChromium();
  if (installed) return installed;
  throw new Failure("No working Chromium was found, even after installing one.", {
    why,
    remedy: anyChromium,
  });
}

const anyChromium =
  "install Chrome or Chromium, or name one in the environment variable DISTCOMPUTE_CHROMIUM";

async function findChromium() {
  const [first] = await withVersions(chromiumCandidates(), browserVersion);
  return first?.file ?? (await playwrightChromium());
}

async function downloadChromium(why) {
  const cli = join(root, "node_modules", "playwright-core", "cli.js");
  await progress({ what: "downloading Chromium", why, about: "1 minute" }, () =>
    must(process.execPath, [cli, "install", "chromium"], { why, remedy: anyChromium }),
  );
}

/** Makes sure of a Chromium and a chromedriver of the same version, for the wasm tests. */
export async function ensureChromedriver() {
  const found = await findPair();
  if (found) return found;
  const why = "The wasm tests run in Chromium, steered by chromedriver of the same major version.";
  if (canInstall()) {
    await aptInstall(debianChromium, why);
    const installed = await findPair();
    if (installed) return installed;
  }
  throw new Failure("There is no chromedriver for the Chromium of this machine.", {
    why,
    remedy:
      `${aptRemedy(debianChromium)}; elsewhere: put the chromedriver of your Chrome's version ` +
      "on PATH, or name it in the environment variable CHROMEDRIVER",
  });
}

async function findPair() {
  const browsers = await withVersions(chromiumCandidates(), browserVersion);
  const drivers = await withVersions(chromedriverCandidates(), driverVersion);
  return matchingPair(browsers, drivers);
}

export async function ensureGeckodriver() {
  await ensureRustTool({
    tool: "geckodriver",
    programs: ["geckodriver"],
    version: geckodriverVersion,
    why: "it steers Firefox",
    about: "2 minutes",
  });
  return which("geckodriver");
}

export async function ensureFirefox() {
  const find = () => which("firefox-esr") ?? which("firefox");
  const why = "The wasm tests run in Firefox too.";
  return find() ?? (await installed(["firefox-esr"], why, find));
}

/** Makes sure of WebKit's driver, its MiniBrowser, and Xvfb as a display for it. */
export async function ensureWebKit() {
  const find = () => {
    const found = {
      driver: which("WebKitWebDriver"),
      browser: miniBrowser(),
      xvfb: which("xvfb-run"),
    };
    return Object.values(found).every(Boolean) ? found : undefined;
  };
  const why = "The wasm tests run in WebKit, Safari's engine, too.";
  return find() ?? (await installed(["webkit2gtk-driver", "xvfb", "xauth"], why, find));
}

async function installed(packages, why, find) {
  await aptInstall(packages, why);
  const found = find();
  if (found) return found;
  throw new Failure(`${packages.join(", ")} was installed, but its programs cannot be found.`, {
    why,
    remedy: aptRemedy(packages),
  });
}

/** MiniBrowser is not on PATH but in the library's folder, whose name depends on the architecture. */
function miniBrowser() {
  const lib = "/usr/lib";
  const folders = ["libexec", ...(existsSync(lib) ? readdirSync(lib) : [])];
  return folders
    .flatMap((folder) =>
      ["webkit2gtk-4.1", "webkit2gtk-4.0"].map((kind) => join(lib, folder, kind)),
    )
    .map((folder) => join(folder, "MiniBrowser"))
    .find((file) => existsSync(file));
}

/** Writes the WebDriver capabilities for the wasm test runner, and returns the path of the file. */
export function writeCapabilities(name, capabilities) {
  const folder = join(root, "target", "webdriver");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(capabilities, undefined, 2));
  return file;
}
