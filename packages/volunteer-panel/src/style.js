// The panel's style sheet. It is a constructed one, because a strict content security policy forbids `style`
// elements. Colours come from custom properties of the page, and from the page's colour scheme.

const css = String.raw;

const text = css`
  :host {
    display: block;
    container-type: inline-size;
    /* A container's content does not count for its width: in a flex box it would have none. */
    inline-size: 100%;
    box-sizing: border-box;

    --_paper: var(--distcompute-paper, #f7f4ee);
    --_card: var(--distcompute-card, #ffffff);
    --_ink: var(--distcompute-ink, #16223a);
    --_soft: var(--distcompute-soft, #5a6478);
    --_line: var(--distcompute-line, #ddd6c8);
    --_edge: var(--distcompute-edge, #8a8271);
    --_accent: var(--distcompute-accent, #9f4a0c);
    --_accent-ink: var(--distcompute-accent-ink, #ffffff);
    --_wash: var(--distcompute-wash, #efe9dd);
    --_focus: var(--distcompute-focus, #1f5f8b);
    --_waiting: var(--distcompute-waiting, #f2b134);
    --_good: var(--distcompute-good, #2c7a4b);
    --_radius: var(--distcompute-radius, 0.75rem);
    --_gap: var(--distcompute-gap, 1.25rem);
  }

  :host([hidden]) {
    display: none;
  }

  /* Follows the colour scheme of the page, and not that of the browser: a dark panel on a page that knows
     only light would be unreadable. */
  @supports (color: light-dark(#000, #fff)) {
    :host {
      --_paper: var(--distcompute-paper, light-dark(#f7f4ee, #0c1220));
      --_card: var(--distcompute-card, light-dark(#ffffff, #141c2e));
      --_ink: var(--distcompute-ink, light-dark(#16223a, #e8ecf4));
      --_soft: var(--distcompute-soft, light-dark(#5a6478, #9aa6bd));
      --_line: var(--distcompute-line, light-dark(#ddd6c8, #26314a));
      --_edge: var(--distcompute-edge, light-dark(#8a8271, #5d6b88));
      --_accent: var(--distcompute-accent, light-dark(#9f4a0c, #f2b134));
      --_accent-ink: var(--distcompute-accent-ink, light-dark(#ffffff, #1d1503));
      --_wash: var(--distcompute-wash, light-dark(#efe9dd, #1b2439));
      --_focus: var(--distcompute-focus, light-dark(#1f5f8b, #7cc0ee));
      --_good: var(--distcompute-good, light-dark(#2c7a4b, #5cc98a));
    }
  }

  * {
    box-sizing: border-box;
  }

  [hidden] {
    display: none !important;
  }

  h2,
  h3,
  p,
  dl,
  dd,
  ul {
    margin: 0;
    padding: 0;
  }

  h2,
  h3,
  p,
  dd,
  li,
  button {
    min-width: 0;
  }

  h2 {
    font-size: 1.1rem;
  }

  h3 {
    font-size: 0.95rem;
  }

  :focus-visible {
    outline: 3px solid var(--_focus);
    outline-offset: 2px;
  }

  .panel {
    color: var(--_ink);
    font-size: 1rem;
    line-height: 1.5;
    /* Long words and addresses must not make the panel wider than its place. */
    overflow-wrap: anywhere;
    hyphens: auto;
  }

  .main {
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(0, 20rem);
    gap: var(--_gap);
    align-items: start;
  }

  .side,
  .show,
  #settings {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: var(--_gap);
  }

  .side {
    order: 2;
  }

  /* The status sentence, which stays visible while the page is scrolled. */

  .state {
    position: sticky;
    top: 0.5rem;
    z-index: 1;
    margin-bottom: var(--_gap);
    padding-block: 0.7rem;
    padding-inline: 2.4rem 1rem;
    background: var(--_card);
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    box-shadow: 0 4px 14px rgb(0 0 0 / 10%);
  }

  .state::before {
    content: "";
    position: absolute;
    inset-block-start: 1.15rem;
    inset-inline-start: 1rem;
    width: 0.65rem;
    height: 0.65rem;
    border: 2px solid var(--_soft);
    border-radius: 50%;
  }

  [data-state="computing"] > .state::before {
    border-color: var(--_good);
    background: var(--_good);
  }

  [data-state="starting"] > .state::before,
  [data-state="waiting"] > .state::before,
  [data-state="stopping"] > .state::before,
  [data-state="paused"] > .state::before,
  [data-state="elsewhere"] > .state::before {
    border-color: var(--_waiting);
    background: var(--_waiting);
  }

  [data-state="failed"] > .state {
    border-color: var(--_accent);
  }

  [data-state="failed"] > .state::before {
    border-color: var(--_accent);
    background: var(--_accent);
  }

  #status {
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }

  progress {
    display: block;
    width: 100%;
    height: 0.5rem;
    appearance: none;
    border: 0;
    border-radius: 1rem;
    overflow: hidden;
    background: var(--_wash);
  }

  progress::-webkit-progress-bar {
    background: var(--_wash);
  }

  progress::-webkit-progress-value {
    background: var(--_accent);
    border-radius: 1rem;
  }

  progress::-moz-progress-bar {
    background: var(--_accent);
    border-radius: 1rem;
  }

  /* Settings, Start and Stop. */

  .box,
  .card {
    background: var(--_card);
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
  }

  .box {
    padding: 1.25rem;
  }

  label {
    display: block;
    margin-top: 0.9rem;
    font-weight: 600;
  }

  input {
    width: 100%;
    min-width: 0;
    margin-inline: 0;
    font: inherit;
    color: inherit;
  }

  #nickname,
  #link-input,
  input[type="time"] {
    padding: 0.55rem 0.7rem;
    background: var(--_paper);
    border: 1px solid var(--_edge);
    border-radius: 0.5rem;
  }

  #nickname {
    margin-top: 0.3rem;
  }

  #nickname::placeholder {
    color: var(--_soft);
    opacity: 1;
  }

  input[type="range"] {
    height: 1.75rem;
    accent-color: var(--_accent);
  }

  input:disabled {
    opacity: 0.65;
  }

  .note {
    color: var(--_soft);
    font-size: 0.875rem;
  }

  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem;
    align-items: center;
    margin-top: 0.6rem;
  }

  .buttons button {
    flex: 1 1 auto;
    padding: 0.2rem 0.5rem;
  }

  .buttons #start {
    flex-basis: 100%;
  }

  .pause button {
    min-height: 2.4rem;
    font-weight: 500;
  }

  details {
    margin-top: 1rem;
    padding-top: 0.75rem;
    border-top: 1px solid var(--_line);
  }

  summary {
    font-weight: 600;
    cursor: pointer;
  }

  .check {
    display: flex;
    gap: 0.6rem;
    align-items: start;
    font-weight: 400;
  }

  .check input {
    flex: none;
    width: 1.15rem;
    height: 1.15rem;
    margin: 0.2rem 0 0;
    accent-color: var(--_accent);
  }

  .hours {
    display: grid;
    grid-template-columns: auto minmax(0, 1fr);
    gap: 0.4rem 0.75rem;
    align-items: center;
    margin-block-start: 0.4rem;
    margin-inline-start: 1.75rem;
  }

  .hours label {
    margin: 0;
    font-weight: 400;
  }

  .hours input {
    padding: 0.3rem 0.5rem;
  }

  #forget,
  #forget-sure,
  #forget-not {
    min-height: 2.4rem;
    padding: 0 0.9rem;
    font-weight: 500;
  }

  #forget,
  #forget-question {
    margin-top: 1rem;
  }

  #link-code {
    font-size: 1.15rem;
    font-weight: 650;
    font-variant-numeric: tabular-nums;
    letter-spacing: 0.06em;
    direction: ltr;
  }

  #link-input {
    flex: 1 1 9rem;
    width: auto;
    min-width: 0;
    direction: ltr;
  }

  #link button {
    flex: 0 1 auto;
    min-height: 2.4rem;
    padding: 0.2rem 0.9rem;
    font-weight: 500;
  }

  button {
    min-height: 2.9rem;
    border: 1px solid var(--_edge);
    border-radius: 0.6rem;
    background: var(--_wash);
    color: var(--_ink);
    font: inherit;
    font-weight: 650;
    cursor: pointer;
  }

  #start {
    border-color: transparent;
    background: var(--_accent);
    color: var(--_accent-ink);
  }

  button:hover:enabled {
    filter: brightness(1.08);
  }

  button:disabled,
  #start:disabled {
    background: var(--_wash);
    border-color: var(--_line);
    color: var(--_soft);
    cursor: default;
  }

  #resume {
    width: 100%;
    margin-top: 0.6rem;
    border-color: var(--_accent);
  }

  .spoken {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  /* Counters of the work done. */

  .counts {
    display: grid;
    gap: 0.15rem;
    margin-top: 0.6rem;
  }

  .counts div {
    display: flex;
    flex-wrap: wrap;
    gap: 0 1rem;
    justify-content: space-between;
  }

  dt {
    color: var(--_soft);
  }

  dd {
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }

  /* One card per core. */

  #cards {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr));
    gap: 0.75rem;
    margin-top: 0.6rem;
    list-style: none;
  }

  .card {
    padding: 0.85rem 1rem;
  }

  .card-head {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    align-items: baseline;
    margin-bottom: 0.5rem;
  }

  .doing {
    margin-top: 0.5rem;
    font-size: 0.925rem;
    font-variant-numeric: tabular-nums;
  }

  .card .note {
    font-variant-numeric: tabular-nums;
  }

  /* Information for volunteers. */

  .about {
    margin-top: var(--_gap);
  }

  .about ul {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr));
    gap: 0.75rem 1.75rem;
    margin-top: 0.6rem;
    list-style: none;
  }

  .about li,
  .own {
    padding-inline-start: 0.9rem;
    border-inline-start: 3px solid var(--_line);
    color: var(--_soft);
  }

  .own {
    margin-top: 0.6rem;
  }

  .about strong {
    color: var(--_ink);
  }

  /* Where the project shows nothing of its own, the settings come first. */

  .alone {
    grid-template-columns: minmax(0, 24rem) minmax(0, 1fr);
  }

  .alone .side {
    order: 0;
  }

  .alone .project {
    display: none;
  }

  /* One column in a narrow place. */

  @container (max-width: 52rem) {
    .main {
      display: flex;
      flex-direction: column;
      align-items: stretch;
    }

    .side,
    .show,
    #settings {
      display: contents;
    }

    /* The Start button is on the first screen, with what the project shows right below. */
    .join {
      order: 1;
    }

    .project {
      order: 2;
    }

    .cores {
      order: 3;
    }

    #record {
      order: 4;
    }
  }

  /* Where there is little room the status does not stick, so that it covers nothing. */
  @container (max-width: 38rem) {
    .panel {
      --_gap: var(--distcompute-gap, 0.75rem);
    }

    .state {
      position: relative;
      top: 0;
      min-height: 4.5rem;
    }

    .box {
      padding: 0.75rem 1rem 1rem;
    }

    .box > label {
      margin-top: 0.4rem;
    }
  }

  @media (max-height: 32rem) {
    .state {
      position: relative;
      top: 0;
    }
  }

  /* Forced colours remove all backgrounds, so that elements which consist of one need a border. */

  @media (forced-colors: active) {
    progress {
      border: 1px solid CanvasText;
      background: Canvas;
    }

    progress::-webkit-progress-bar {
      background: Canvas;
    }

    progress::-webkit-progress-value {
      forced-color-adjust: none;
      background: Highlight;
    }

    progress::-moz-progress-bar {
      forced-color-adjust: none;
      background: Highlight;
    }

    #start {
      border-color: ButtonText;
    }

    .state::before {
      forced-color-adjust: none;
      border-color: CanvasText;
      background: Canvas;
    }

    [data-state="computing"] > .state::before {
      background: Highlight;
    }
  }
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** The style sheet, which all panels of a page share. */
export function styleSheet() {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
  }
  return sheet;
}
