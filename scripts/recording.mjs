// A recording of `distcompute map` as an animated SVG: what a terminal shows, and the browsers of two volunteers
// who join. Everything in it is real: a shell runs the commands, an emulated terminal reads what they print, and
// the browsers are photographed while they compute.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { ensureApart } from "./apart.mjs";
import { Failure } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";

/** The terminal, in characters, and a browser's window, in pixels. */
const terminal = { columns: 100, rows: 12 };
const screen = { width: 390, height: 400 };

/** How often the terminal and the browsers are looked at, in milliseconds. */
const everyMs = { terminal: 200, browser: 1000 };

/** How long the last picture stays before the recording begins again, in milliseconds. */
const restMs = 4000;

/** Nothing takes longer. */
const patienceMs = 150_000;

const kernel = `export default (n) => {
  let primes = 0;
  for (let i = n * 1e5; i < (n + 1) * 1e5; i++) primes += isPrime(i);
  return primes;
};

const isPrime = (i) => {
  for (let d = 2; d * d <= i; d++) if (i % d === 0) return 0;
  return 1;
};
`;

const jobs = 200;

async function ensureTerminal() {
  const described = join(root, "scripts", "recording");
  const why = "It reads what a terminal would show.";
  const what = "a terminal emulator";
  const folder = await ensureApart({ name: "recording", described, what, why });
  const { Terminal } = createRequire(join(folder, "package.json"))("@xterm/headless");
  return new Terminal({ cols: terminal.columns, rows: terminal.rows, allowProposedApi: true });
}

/** A shell in a terminal. */
class Shell {
  #child;
  #emulator;

  constructor(emulator, { folder, env }) {
    this.#emulator = emulator;
    const size = `stty cols ${terminal.columns} rows ${terminal.rows}`;
    // util-linux: connects a program to a terminal of its own.
    const shell = `${size}; exec bash --rcfile shell.rc`;
    this.#child = spawn("script", ["-qefc", shell, "/dev/null"], { cwd: folder, env });
    this.#child.stdout.on("data", (data) => emulator.write(data));
  }

  /** Types a command as a person does. */
  async type(command) {
    for (const letter of command) {
      this.#child.stdin.write(letter);
      await sleep(35);
    }
    await sleep(300);
    this.#child.stdin.write("\n");
  }

  /** The lines that are shown. */
  lines() {
    const { active } = this.#emulator.buffer;
    return Array.from({ length: terminal.rows }, (_, row) =>
      (active.getLine(active.viewportY + row)?.translateToString(true) ?? "").trimEnd(),
    );
  }

  /** Waits until what is shown fits. */
  async until(what, fits) {
    for (const since = performance.now(); !fits(this.lines()); await sleep(50)) {
      if (performance.now() - since > patienceMs) {
        throw new Failure(`The terminal does not show ${what}:\n${this.lines().join("\n")}`);
      }
    }
  }

  async end() {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end("exit\n");
    await ended;
  }
}

/** What was shown when: a value stays until the next one. */
class Track {
  /** @type {{ at: number, value: any }[]} */
  changes = [];

  add(at, value) {
    if (JSON.stringify(this.changes.at(-1)?.value) !== JSON.stringify(value)) {
      this.changes.push({ at, value });
    }
  }
}

/**
 * Runs the command in `folder`, where it is installed, and returns the recording.
 *
 * @param {{ browser: import("playwright-core").Browser, folder: string, tracker: string,
 *   note: (text: string) => void }} wanted
 */
export async function recordMap({ browser, folder, tracker, note }) {
  const emulator = await ensureTerminal();
  writeFileSync(join(folder, "primes.js"), kernel);
  writeFileSync(join(folder, "shell.rc"), "PS1='$ '\n");
  const env = toolEnv({ TERM: "xterm", DISTCOMPUTE_TRACKER_PROGRAM: tracker });
  const shell = new Shell(emulator, { folder, env });
  const isPrompt = (lines) => lines.findLast((line) => line !== "")?.trim() === "$";
  await shell.until("a prompt", isPrompt);

  const since = performance.now();
  const at = () => performance.now() - since;
  const lines = new Track();
  const looking = setInterval(() => lines.add(at(), shell.lines()), everyMs.terminal);
  const windows = [];
  const shooting = new AbortController();
  try {
    note("the command starts");
    await shell.type("head -5 primes.js");
    await shell.until("the function", isPrompt);
    await sleep(1500);
    await shell.type(
      `seq 0 ${jobs - 1} | npx distcompute map ./primes.js --local 1 > counts.jsonl`,
    );
    const address = (shown) => /Volunteers: (\S+)/.exec(shown.join("\n"))?.[1];
    await shell.until("the address for volunteers", (shown) => address(shown) !== undefined);
    const url = address(shell.lines());
    await sleep(2500);
    for (const nickname of ["Ada", "Grace"]) {
      note(`${nickname} joins`);
      windows.push(await joinAs({ browser, url, nickname, at, signal: shooting.signal }));
      await sleep(3500);
    }
    note("all compute");
    await shell.until("the end", isPrompt);
    await shell.type("tail -2 counts.jsonl");
    await shell.until(
      "the last outputs",
      (shown) => isPrompt(shown) && /^\d+$/m.test(shown.join("\n")),
    );
    lines.add(at(), shell.lines());
  } finally {
    clearInterval(looking);
    shooting.abort();
    for (const { page } of windows) await page.context().close();
    await shell.end();
  }
  return drawing({ lines, windows, durationMs: at() + restMs });
}

/** Opens a volunteer's browser, which is photographed until `signal` is aborted, and presses Start. */
async function joinAs({ browser, url, nickname, at, signal }) {
  const context = await browser.newContext({ viewport: screen, deviceScaleFactor: 1.25 });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const shots = new Track();
  const shoot = async () => {
    const image = { format: /** @type {const} */ ("webp"), quality: 70 };
    const { data } = await session.send("Page.captureScreenshot", image);
    shots.add(at(), data);
  };
  await page.goto(url);
  await page.fill("#nickname", nickname);
  await shoot();
  await page.click("#start:enabled");
  // What the cores do is below the form.
  const cores = page.getByRole("heading", { name: "Your cores" });
  await cores.evaluate((heading) => heading.scrollIntoView());
  const shooting = async () => {
    while (!signal.aborted) {
      await sleep(everyMs.browser, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await shoot().catch(() => {});
    }
  };
  shooting();
  return { page, nickname, shots, url };
}

/** The measures of the drawing, in its own units. */
const letter = { width: 7.8, height: 20 };
const gap = 16;
const bar = 34;
const wide = 2 * screen.width + 3 * gap;
const terminalBox = {
  x: gap,
  y: gap,
  width: wide - 2 * gap,
  height: bar + terminal.rows * letter.height + 20,
};
const browserTop = terminalBox.y + terminalBox.height + gap;
const high = browserTop + bar + screen.height + gap;

const escaped = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Draws the recording. Each element is shown from one time to another, again and again. */
function drawing({ lines, windows, durationMs }) {
  const rules = [];
  /** The attributes of an element that is shown from `from` to `to`, and in a still picture if it is the last. */
  const shown = (from, to) => {
    const percent = (ms) => `${((100 * ms) / durationMs).toFixed(2)}%`;
    const name = `k${rules.length}`;
    const isLast = to >= durationMs;
    const end = isLast ? "" : `${percent(to)}{visibility:hidden}`;
    rules.push(
      `@keyframes ${name}{0%{visibility:hidden}${percent(from)}{visibility:visible}${end}}`,
    );
    return `class="f${isLast ? " l" : ""}" style="animation-name:${name}"`;
  };
  const text = [...rowsOf(lines, durationMs)].map(({ row, value, from, to }) => {
    const x = terminalBox.x + 14;
    const y = terminalBox.y + bar + 20 + row * letter.height;
    const length = (value.length * letter.width).toFixed(1);
    return `<text ${shown(from, to)} x="${x}" y="${y}" textLength="${length}">${escaped(value)}</text>`;
  });
  const pages = windows.map(({ nickname, shots, url }, index) => {
    const x = gap + index * (screen.width + gap);
    const frame = box({ x, y: browserTop, width: screen.width, height: bar + screen.height });
    const title = `<text class="t" x="${x + 66}" y="${browserTop + 22}">${nickname}: ${escaped(url)}</text>`;
    const images = shots.changes.map(({ at, value }, number) => {
      const to = shots.changes[number + 1]?.at ?? durationMs;
      const place = `x="${x}" y="${browserTop + bar}" width="${screen.width}" height="${screen.height}"`;
      return `<image ${shown(at, to)} ${place} href="data:image/webp;base64,${value}"/>`;
    });
    const whole = shown(shots.changes[0].at, durationMs);
    return `<g ${whole}>${frame}${title}</g>${images.join("\n")}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}" role="img">
<title>distcompute map in a terminal, and the browsers of two volunteers who join</title>
<style>
text{font:13px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e8ecf4;white-space:pre}
.t{font-size:12px;fill:#9aa6bd}
.f{visibility:hidden;animation:${(durationMs / 1000).toFixed(2)}s step-end infinite}
@media (prefers-reduced-motion:reduce){.f{animation:none!important}.l{visibility:visible}}
${rules.join("\n")}
</style>
<rect width="${wide}" height="${high}" rx="12" fill="#26314a"/>
${box(terminalBox)}
${text.join("\n")}
${pages.join("\n")}
</svg>
`;
}

/** A window with its three buttons. */
function box({ x, y, width, height }) {
  const buttons = ["#e0645c", "#e0b04c", "#5cb86a"].map(
    (fill, index) => `<circle cx="${x + 18 + index * 16}" cy="${y + 17}" r="5" fill="${fill}"/>`,
  );
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="#0c1220"/>${buttons.join("")}`;
}

/** Each text of each row of the terminal, with the time for which it was there. */
function* rowsOf({ changes }, durationMs) {
  for (let row = 0; row < terminal.rows; row += 1) {
    let from = 0;
    for (const [index, { value }] of changes.entries()) {
      if (value[row] !== changes[index - 1]?.value[row]) from = changes[index].at;
      const next = changes[index + 1];
      if (value[row] === next?.value[row]) continue;
      if (value[row] !== "") {
        yield { row, value: value[row], from, to: next?.at ?? durationMs };
      }
    }
  }
}
