// The sentence about the picture. A pure function from its counts to text.

/**
 * The progress of the picture.
 *
 * @param {{ tiles: number, checked: number, rendered: number }} picture `rendered` counts the tiles
 *   that are not checked yet
 */
export function pictureSentence({ tiles, checked, rendered }) {
  if (checked + rendered === 0) return `None of ${count(tiles)} is painted yet.`;
  if (checked === tiles) return `All ${count(tiles)} painted and checked.`;
  const waiting = rendered > 0 ? `; ${rendered} more in grey, waiting to be checked` : "";
  return `${checked} of ${count(tiles)} painted and checked${waiting}.`;
}

/** @param {number} tiles */
function count(tiles) {
  return `${tiles} tile${tiles === 1 ? "" : "s"}`;
}
