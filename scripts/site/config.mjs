// VitePress's configuration. scripts/site.mjs writes site.json beside it: the sidebar, and what it knows of the
// repository.

import { readFileSync } from "node:fs";

const site = JSON.parse(readFileSync(new URL("site.json", import.meta.url), "utf8"));

/** The anchors of headings as GitHub makes them, so that a link works in both places. */
function slugify(heading) {
  const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "");
  return words.trim().replaceAll(" ", "-");
}

export default {
  title: "distcompute",
  description: "Volunteer computing in the browser: from a function to a crowd in one command.",
  lang: "en",
  base: site.base,
  srcDir: "source",
  outDir: site.out,
  cacheDir: "cache",
  metaChunk: true,
  head: [["link", { rel: "icon", href: `${site.base}icon.svg`, type: "image/svg+xml" }]],
  // Vite would name pages and files of the API reference, which is copied beside the pages.
  ignoreDeadLinks: [/^\/reference\//],
  markdown: {
    anchor: { slugify },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    // Languages that the highlighter does not know look like these.
    languageAlias: { logrotate: "ini", caddyfile: "nginx", haproxy: "ini", jsonl: "json" },
  },
  vite: { publicDir: site.public, logLevel: "warn" },
  themeConfig: {
    search: { provider: "local" },
    outline: { level: [2, 3], label: "On this page" },
    nav: [
      {
        text: "Owners",
        link: "/map",
        activeMatch: "^/(map|create|owner|recipes|python|work|bundlers)",
      },
      { text: "Operators", link: "/operating", activeMatch: "^/(operating|scale|security|threat)" },
      { text: "API", link: "/reference/index.html", target: "_self" },
      { text: "Protocol", link: "/protocol" },
      { text: "Figures", link: "/figures/", activeMatch: "^/figures/" },
    ],
    sidebar: site.sidebar,
    socialLinks: [{ icon: "github", link: site.repository }],
    footer: { message: `Version ${site.version}. MIT or Apache-2.0, at your option.` },
  },
};
