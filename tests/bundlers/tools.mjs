// The tools that the package is tried with: what is installed, what a project of theirs has besides the
// README's two scripts, and how their development servers are spoken to.

import { commandsFor, nextPage } from "./docs.mjs";

/** A page that loads one script. */
export const html = (script) =>
  `<!doctype html>\n<meta charset="utf-8" />\n<title>A project</title>\n` +
  `<button>Start</button>\n<script type="module" src="${script}"></script>\n`;

const strictPort = (port) => ["--port", port, "--strictPort"];
const port = (port) => ["--port", port];

const layout =
  "export default function Layout({ children }) {\n" +
  "  return (\n    <html>\n      <body>{children}</body>\n    </html>\n  );\n}\n";

const next = {
  files: { "app/page.js": nextPage(), "app/layout.js": layout },
  port,
  // Next's Turbopack refuses links that lead out of the project.
  links: false,
};

const rollup = { files: { "dist/index.html": html("page.js") } };

/**
 * By name: `packages` of npm's registry; `files` of the project; `port` gives the arguments by which the
 * development server listens there; `heading` is its section in docs/bundlers.md; `current` says that
 * it is the latest version, `links` that it takes a package by a symbolic link.
 */
const all = {
  "Vite 8": {
    packages: ["vite@8.4.0"],
    current: true,
    files: { "index.html": html("./page.js") },
    port: strictPort,
  },
  "Vite 7": {
    packages: ["vite@7.3.8"],
    files: { "index.html": html("./page.js") },
    port: strictPort,
  },
  "webpack 5": {
    packages: ["webpack@5.113.0", "webpack-cli@7.3.1", "webpack-dev-server@6.1.0"],
    current: true,
    files: { "index.html": html("main.js"), "dist/index.html": html("main.js") },
    port,
    says: "stderr",
  },
  "Parcel 2": {
    packages: ["parcel@2.16.4"],
    current: true,
    files: { "index.html": html("./page.js") },
    port,
  },
  "esbuild 0": {
    packages: ["esbuild@0.28.2"],
    current: true,
    files: { "dist/index.html": html("page.js") },
    port: (port) => [`--serve=${port}`],
    says: "stderr",
  },
  "Rollup 4": {
    packages: ["rollup@4.68.8", "@rollup/plugin-node-resolve@16.0.3"],
    current: true,
    ...rollup,
  },
  "Rollup 3": { packages: ["rollup@3.30.0", "@rollup/plugin-node-resolve@16.0.3"], ...rollup },
  "Next 16": {
    packages: ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"],
    current: true,
    ...next,
  },
  "Next 15": { packages: ["next@15.5.29", "react@19.3.1", "react-dom@19.3.1"], ...next },
};

export const tools = Object.entries(all).map(([name, tool]) => {
  const commands = commandsFor(name.split(" ")[0]);
  const isServer = (command) => /\bserve\b|--serve\b|\bdev\b|^npx vite$/.test(command);
  return {
    links: true,
    ...tool,
    name,
    develop: commands.find(isServer),
    build: commands.find((command) => !isServer(command)),
    start: commands.find((command) => command.endsWith(" start")),
  };
});
