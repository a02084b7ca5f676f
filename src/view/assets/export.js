// Drawings as files.

import { download } from "./dom.js";

export function svgText(drawing) {
  const copy = drawing.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}

export function saveSvg(drawing, name) {
  download(name, new Blob([svgText(drawing)], { type: "image/svg+xml" }));
}

// At twice the size on the screen.
export function savePng(drawing, name) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([svgText(drawing)], { type: "image/svg+xml" }));
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * drawing.width.baseVal.value;
    canvas.height = 2 * drawing.height.baseVal.value;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(url);
    canvas.toBlob((blob) => download(name, blob), "image/png");
  };
  image.src = url;
}

export function saveText(text, name, type) {
  download(name, new Blob([text], { type }));
}

// A line of CSV. A text that a spreadsheet would take for a formula gets an apostrophe.
export function csvLine(values) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t]/.test(value) ? "'" + value : String(value);
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return values.map(cell).join(",") + "\n";
}
