// VitePress's own theme with the system's fonts, which need no download.

import theme from "vitepress/theme-without-fonts";

import "./theme.css";

export default theme;
