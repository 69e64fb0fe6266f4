// The picture alone, for the dashboard to show: only looks, never computes.

import { element } from "./element.js";
import { Picture, follow } from "./picture.js";
import { pictureSentence } from "./sentence.js";

const tracker = new URL("../", document.baseURI);
const text = element("picture-text", HTMLElement);

try {
  const answer = await fetch("./poster/poster.json");
  const picture = new Picture(element("picture", HTMLCanvasElement), await answer.json());
  const show = () => (text.textContent = pictureSentence(picture.counts));
  show();
  await follow(picture, tracker, show);
} catch {
  text.textContent = "The picture cannot be shown: the tracker did not answer.";
}
