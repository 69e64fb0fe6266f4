// The pages of the documentation site: which document of the repository is at which address, and how they are
// grouped. Nothing here reads or writes a file.

/** The groups of the sidebar. A page is the path of a document; its heading is its title unless one is given. */
export const groups = [
  {
    title: "Start",
    pages: [
      ["docs/index.md", "What it is"],
      ["docs/comparison.md", "Which tool is for me?"],
      ["README.md", "Overview and glossary"],
    ],
  },
  {
    title: "For owners",
    pages: [
      ["docs/map.md", "From a function: map"],
      ["docs/create.md", "A project of your own: create"],
      ["docs/owner.md", "Guide for owners"],
      ["docs/recipes.md", "Recipes"],
      ["docs/python.md", "From Python"],
      ["docs/work.md", "Without a browser: work"],
      ["docs/bundlers.md", "Bundlers"],
    ],
  },
  {
    title: "For volunteer pages",
    pages: [
      ["docs/panel.md", "The panel"],
      ["docs/volunteer-page.md", "Controls of your own"],
      ["docs/browsers.md", "What browsers lack"],
    ],
  },
  {
    title: "For operators",
    pages: [
      ["docs/operating.md", "Guide for operators"],
      ["docs/scale.md", "Many volunteers"],
      ["SECURITY.md", "Security"],
      ["docs/threat-model.md", "Threat model"],
    ],
  },
  {
    title: "Reference",
    pages: [
      ["docs/protocol.md", "Protocol"],
      ["ARCHITECTURE.md", "Architecture"],
      ["docs/simulation.md", "Simulation"],
      ["docs/decisions/README.md", "Decisions"],
    ],
  },
  {
    title: "Figures",
    pages: [
      ["bench/README.md", "How it is measured"],
      ["bench/results/tracker.md", "The tracker"],
      ["bench/results/client.md", "The client"],
      ["bench/results/lines.md", "Slow connections"],
      ["bench/results/files.md", "Files of jobs"],
      ["bench/results/scale.md", "A million volunteers"],
      ["bench/results/grown.md", "Grown databases"],
      ["bench/results/hostile.md", "Under attack"],
    ],
  },
  {
    title: "The project",
    pages: [
      ["CHANGELOG.md", "Changelog"],
      ["CONTRIBUTING.md", "Contributing"],
    ],
  },
];

/** Folders whose documents are all pages. */
export const folders = ["docs", "docs/decisions", "bench/results"];

/** Where the API reference is. */
export const reference = "reference/";

/** The path of a document's page within the site. */
export function pageOf(document) {
  const moved = document
    .replace(/^docs\//, "")
    .replace(/^bench\/results\//, "figures/")
    .replace(/^bench\//, "figures/");
  if (moved === "README.md") return "overview.md";
  return moved.replace(/README\.md$/, "index.md").toLowerCase();
}
