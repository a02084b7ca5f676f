// What stands above the light curve, and the links.

import { byId, copyButton, el } from "./dom.js";
import { alertUrl } from "./source.js";
import { minus } from "./format.js";

export function showHead(alert) {
  const title = el("h1", {}, el("span", {}, alert.title), copyButton(alert.title), el("span", { class: "survey" }, alert.survey));
  const lines = alert.lines.map(([label, text, isCopied]) =>
    el("div", {}, el("dt", {}, label), el("dd", { title: text }, label === "alert" || isCopied ? text : minus(text)), isCopied ? copyButton(text) : null),
  );
  byId("head").replaceChildren(title, el("dl", {}, ...lines));
  const links = alert.links.map(([name, url]) => el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name));
  byId("links").replaceChildren(...links);
  const file = (what, label) => {
    const url = alertUrl(alert.number, what);
    return url ? el("a", { href: url, download: `${alert.fileName}.${what}` }, label) : null;
  };
  byId("downloads").replaceChildren(...[file("json", "whole alert as JSON"), file("avro", "as Avro")].filter(Boolean));
  document.title = alert.title + " · fink view";
}
