// Elements of the page. Whatever comes from an alert becomes a text node, never markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

// An HTML element. An attribute `onclick` is a listener; null, undefined and false leave the attribute out.
export function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

// The same in SVG.
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

let toastTimer = 0;

// A short message that goes away by itself.
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (place.hidden = true), 1600);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page of a file may not use the clipboard's interface, but may copy what is selected.
    const area = el("textarea", { readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("copied");
}

// A button that copies a text.
export function copyButton(text) {
  const sheets = [[1, 1], [5, 5]].map(([x, y]) => svg("rect", { x, y, width: 8, height: 8, rx: 1.5, fill: "var(--ground)", stroke: "currentColor", "stroke-width": 1.3 }));
  const icon = svg("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, ...sheets);
  return el("button", { type: "button", class: "copy", title: "copy", "aria-label": "copy " + text, onclick: () => copyText(text) }, icon);
}

// A button that can be on or off.
export function toggle(label, title, isOn, onclick) {
  return el("button", { type: "button", title, "aria-pressed": String(isOn), onclick }, label);
}

export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// The colours of the style sheet as they are now, for drawings that are saved without it.
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue("--" + name).trim();
  return {
    isDark: matchMedia("(prefers-color-scheme: dark)").matches,
    ground: color("ground"),
    ink: color("ink"),
    muted: color("muted"),
    line: color("line"),
    grid: color("grid"),
    accent: color("accent"),
  };
}
