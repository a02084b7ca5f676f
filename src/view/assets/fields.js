// All fields of an alert, as a tree with a search. Branches are built when they are opened.

import { byId, copyText, el } from "./dom.js";

// Most leaves that a search shows.
const MOST_FOUND = 300;

function isBranch(value) {
  return value !== null && typeof value === "object" && Object.keys(value).length > 0;
}

function entriesOf(path, value) {
  const children = Array.isArray(value) ? value.map((item, at) => [`[${at}]`, item]) : Object.entries(value);
  return children.map(([name, child]) => [name, path + (name.startsWith("[") || path === "" ? name : "." + name), child]);
}

function* leavesOf(path, value) {
  for (const [, place, child] of entriesOf(path, value)) {
    if (isBranch(child)) yield* leavesOf(place, child);
    else yield [place, child];
  }
}

function textOf(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

// The name by which filters and rules know a field of records; null: one within an array.
function columnOf(path) {
  return path.includes("[") ? null : path.replaceAll(".", "_");
}

function ruleOf(path, value) {
  const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  const written = typeof value === "string" ? `'${value}'` : textOf(value);
  const [name, ...rest] = path.split(".");
  const subcol = rest.length ? ` subcol="${escape(rest.join("_"))}"` : "";
  return `<column name="${escape(name)}"${subcol} operator="=" value="${escape(written)}"/>`;
}

function valueNode(value) {
  const kind = value === null ? "null" : typeof value === "string" ? "text" : typeof value;
  return el("span", { class: "value " + kind }, textOf(value));
}

function leafNode(name, path, value) {
  const menu = el("button", { type: "button", class: "menu", title: "copy", "aria-label": "copy " + path, "aria-haspopup": "menu" }, "⋯");
  menu.addEventListener("click", (event) => {
    event.stopPropagation();
    openMenu(menu, path, value);
  });
  return el("div", { class: "leaf" }, el("span", { class: "name" }, name), valueNode(value), menu);
}

function branchNode(name, path, value) {
  const count = Array.isArray(value) ? `[${value.length}]` : `{${Object.keys(value).length}}`;
  const summary = el("summary", {}, el("span", { class: "name" }, name + " "), el("span", { class: "count" }, count));
  const details = el("details", {}, summary);
  details.addEventListener("toggle", () => details.childElementCount > 1 || details.append(...nodesOf(path, value)), { once: true });
  return details;
}

function nodesOf(path, value) {
  return entriesOf(path, value).map(([name, place, child]) => (isBranch(child) ? branchNode(name, place, child) : leafNode(name, place, child)));
}

function closeMenu() {
  document.querySelector("[aria-expanded=true]")?.removeAttribute("aria-expanded");
  byId("menu")?.remove();
}

function openMenu(button, path, value) {
  closeMenu();
  button.setAttribute("aria-expanded", "true");
  const item = (label, text) => el("button", { type: "button", role: "menuitem", onclick: () => (copyText(text), closeMenu(), button.focus()) }, label);
  const column = columnOf(path);
  const menu = el("div", { id: "menu", role: "menu" },
    item("copy name: " + path, path),
    item("copy value", textOf(value)),
    column ? item("copy as rule", ruleOf(path, value)) : null,
    column ? item("copy as filter argument: " + column, column) : null,
  );
  document.body.append(menu);
  const place = button.getBoundingClientRect();
  menu.style.left = Math.max(4, Math.min(place.left, innerWidth - menu.offsetWidth - 8)) + "px";
  menu.style.top = Math.max(4, Math.min(place.bottom + 2, innerHeight - menu.offsetHeight - 8)) + "px";
  menu.firstElementChild.focus();
}

export class Fields {
  constructor() {
    this.search = byId("field-search");
    this.search.addEventListener("input", () => this.draw());
    addEventListener("click", closeMenu);
    addEventListener("keydown", (event) => event.key === "Escape" && closeMenu());
    addEventListener("scroll", closeMenu, true);
  }

  show(alert) {
    this.alert = alert;
    closeMenu();
    this.draw();
  }

  draw() {
    const tree = byId("tree");
    const wanted = this.search.value.trim().toLowerCase();
    if (!wanted) return tree.replaceChildren(...nodesOf("", this.alert));
    const found = [];
    let count = 0;
    for (const [path, value] of leavesOf("", this.alert)) {
      if (!path.toLowerCase().includes(wanted) && !textOf(value).toLowerCase().includes(wanted)) continue;
      if (++count <= MOST_FOUND) found.push(leafNode(path, path, value));
    }
    const more = count > MOST_FOUND ? el("p", { class: "muted" }, `${count - MOST_FOUND} more`) : null;
    tree.replaceChildren(...found, more ?? (count ? "" : el("p", { class: "muted" }, "nothing found")));
  }
}
