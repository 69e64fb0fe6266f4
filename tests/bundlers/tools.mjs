// The tools that the package is tested with: their npm packages, the files of a project besides the two
// scripts of the README, and the arguments of their development servers.

import { commandsFor, nextPage } from "./docs.mjs";

/** An HTML page that loads one script. */
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
  // Next's Turbopack rejects links to files outside the project.
  links: false,
};

const rollup = { files: { "dist/index.html": html("page.js") } };

/**
 * The tools by name. `packages` are npm packages; `files` those of the project; `port` returns the arguments
 * for the port of the development server; `heading` is the section in docs/bundlers.md; `current` is whether
 * it is the latest version, and `links` whether it supports packages that are symbolic links.
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
