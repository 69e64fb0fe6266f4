// The picture alone, without a volunteer, as the dashboard embeds it.

import { element } from "./element.js";
import { getText, whyNot } from "./fetching.js";
import { Picture, follow } from "./picture.js";
import { pictureSentence } from "./sentence.js";

const tracker = new URL("../", document.baseURI);
const text = element("picture-text", HTMLElement);

try {
  const parameters = JSON.parse(await getText(new URL("poster/poster.json", document.baseURI)));
  const picture = new Picture(element("picture", HTMLCanvasElement), parameters);
  const show = () => {
    // The sentence is updated only when the canvas shows what it describes.
    if (picture.isPainted) text.textContent = pictureSentence(picture.counts);
  };
  follow(picture, { tracker, changed: show });
} catch (error) {
  text.textContent = `The picture cannot be shown: ${whyNot(error)}.`;
}
