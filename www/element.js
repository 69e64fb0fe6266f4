// Typed helpers to find, create and update elements.

/**
 * Returns the element with this id. Throws if the page has none of this type.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type))
    throw new Error(`The page has no ${type.name} with the id "${id}".`);
  return found;
}

/**
 * Creates an element with a class and children.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} className
 * @param {(Node | string)[]} children
 */
export function make(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

/**
 * Sets an element's text, unless it is the same already: an assignment would make screen readers
 * announce it again and the browser draw it again.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
