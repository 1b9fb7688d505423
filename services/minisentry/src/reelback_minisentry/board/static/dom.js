// Elements out of data. Text is always set as text: nothing that was sent to minisentry is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "style") for (const [property, style] of Object.entries(value)) element.style.setProperty(property, style);
    else if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

// What is there: a condition that was false leaves nothing behind.
const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const page = () => document.getElementById("page");
export const show = (...children) => page().replaceChildren(...present(children));

export async function load(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(8000) });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
  return body;
}
