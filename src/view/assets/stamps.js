// The stamps: drawn with north up and east left, nearest pixel, by the image's coordinates.

import { byId, download, el, toggle } from "./dom.js";
import { STRETCHES, greys, limitsOf } from "./stretch.js";
import { alertUrl } from "./source.js";
import { shortNumber } from "./format.js";

const RADIANS = Math.PI / 180;

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// Degrees per pixel.
function scaleOf({ matrix: [[a, b], [c, d]] }) {
  return Math.sqrt(Math.abs(a * d - b * c));
}

// The pixel offset that leads so many degrees to the east and to the north.
function pixelsOf({ matrix: [[a, b], [c, d]] }, east, north) {
  const determinant = a * d - b * c;
  return [(d * east - b * north) / determinant, (a * north - c * east) / determinant];
}

// Right ascension and declination of a pixel: the tangent plane's inverse (gnomonic) projection.
function skyOf({ pixel, sky, matrix: [[a, b], [c, d]] }, x, y) {
  const [dx, dy] = [x - pixel[0], y - pixel[1]];
  const [east, north] = [(a * dx + b * dy) * RADIANS, (c * dx + d * dy) * RADIANS];
  const [ra, dec] = [sky[0] * RADIANS, sky[1] * RADIANS];
  const down = Math.cos(dec) - north * Math.sin(dec);
  const turned = ra + Math.atan2(east, down);
  const up = Math.atan2(Math.cos(turned - ra) * (Math.sin(dec) + north * Math.cos(dec)), down);
  return [(((turned / RADIANS) % 360) + 360) % 360, up / RADIANS];
}

export class Stamps {
  constructor() {
    this.place = byId("stamp-images");
    this.controls = byId("stamp-controls");
    this.settings = { stretch: "asinh", alike: false, inverted: false, flipped: false, raw: false, cross: false };
    this.stamps = [];
  }

  show(alert) {
    this.alert = alert;
    this.isZtf = alert.survey === "ZTF";
    this.stamps = alert.stamps.map((stamp) => ({
      ...stamp,
      at: 0,
      units: stamp.units.map((unit) => ({ ...unit, pixels: new Float32Array(bytesOf(unit.pixels).buffer) })),
    }));
    this.pixel = el("div", { id: "pixel" });
    this.place.replaceChildren(...this.stamps.map((stamp) => this.figure(stamp)));
    if (this.stamps.length === 0) this.place.append(el("p", { class: "muted" }, "This alert has no stamps."));
    this.draw();
  }

  figure(stamp) {
    const below = el("div", { class: "below" });
    if (stamp.error !== null) {
      const reason = el("div", { class: "damaged" }, el("span", {}, "This stamp cannot be shown: " + stamp.error));
      return el("figure", {}, el("figcaption", {}, el("b", {}, stamp.name)), reason);
    }
    stamp.label = el("span", { class: "muted" });
    stamp.canvas = el("canvas", { role: "img", "aria-label": stamp.name + " stamp" });
    stamp.canvas.addEventListener("pointermove", (event) => this.readPixel(stamp, event));
    stamp.canvas.addEventListener("pointerleave", () => (this.pixel.textContent = ""));
    const button = (label, title, onclick) => el("button", { type: "button", title, onclick }, label);
    below.append(
      button("FITS", "download the FITS file, not gzipped", () => this.saveFits(stamp)),
      button("PNG", "save the stamp as PNG", () => stamp.canvas.toBlob((blob) => download(this.nameOf(stamp, "png"), blob))),
    );
    if (stamp.units.length > 1) {
      stamp.switch = button(stamp.units[0].name, "the other images of the file", () => {
        stamp.at = (stamp.at + 1) % stamp.units.length;
        stamp.switch.textContent = stamp.units[stamp.at].name;
        this.draw();
      });
      below.append(stamp.switch);
    }
    return el("figure", {}, el("figcaption", {}, el("b", {}, stamp.name), stamp.label), stamp.canvas, below);
  }

  nameOf(stamp, ending) {
    return `${this.alert.fileName}_${stamp.name.toLowerCase()}.${ending}`;
  }

  saveFits(stamp) {
    const url = alertUrl(this.alert.number, `stamp/${this.stamps.indexOf(stamp)}.fits`);
    if (url) el("a", { href: url, download: this.nameOf(stamp, "fits") }).click();
    else download(this.nameOf(stamp, "fits"), new Blob([bytesOf(stamp.file)], { type: "application/fits" }));
  }

  change(settings) {
    Object.assign(this.settings, settings);
    this.draw();
  }

  draw() {
    this.drawControls();
    this.stamps.filter((stamp) => stamp.canvas).forEach((stamp, at) => this.drawStamp(stamp, at === 0));
  }

  drawControls() {
    const { settings } = this;
    if (this.stamps.length === 0) return this.controls.replaceChildren();
    const flip = (name) => () => this.change({ [name]: !settings[name] });
    const stretches = STRETCHES.map((one) => toggle(one.name, `${one.title} (${one.key})`, settings.stretch === one.name, () => this.change({ stretch: one.name })));
    this.controls.replaceChildren(
      el("div", { class: "row" }, ...stretches),
      el("div", { class: "row" },
        toggle("alike", "science and template with the same limits (m)", settings.alike, flip("alike")),
        toggle("invert", "black is bright (i)", settings.inverted, flip("inverted")),
        toggle("cross", "cross hair at the source (x)", settings.cross, flip("cross")),
      ),
      el("div", { class: "row" },
        toggle("raw", "the pixels as they are stored, first row at the bottom (r)", settings.raw, flip("raw")),
        this.isZtf && this.alert.negative ? toggle("sign", "turn the sign of the negative difference (n)", settings.flipped, flip("flipped")) : "",
      ),
      this.pixel,
    );
  }

  // The sign with which a stamp is shown: ZTF stores a negative difference times −1.
  signOf(stamp) {
    return this.isStoredNegative(stamp) && this.settings.flipped ? -1 : 1;
  }

  isStoredNegative(stamp) {
    return this.isZtf && this.alert.negative && stamp.name === "Difference" && stamp.at === 0;
  }

  // The pixel at an offset from the middle of the picture, in pixels of the image to the right and up.
  pixelAt(unit, right, up) {
    const scale = unit.wcs && scaleOf(unit.wcs);
    const [dx, dy] = unit.wcs && !this.settings.raw ? pixelsOf(unit.wcs, -right * scale, up * scale) : [right, up];
    return [Math.round((unit.width - 1) / 2 + dx), Math.round((unit.height - 1) / 2 + dy)];
  }

  drawStamp(stamp, isFirst) {
    const unit = stamp.units[stamp.at];
    const { canvas } = stamp;
    const ratio = window.devicePixelRatio || 1;
    const side = Math.round((canvas.clientWidth || 200) * ratio);
    const zoom = Math.max(1, Math.floor(side / Math.max(unit.width, unit.height)));
    canvas.width = canvas.height = side;
    stamp.geometry = { side, zoom, ratio };
    const isDifference = stamp.name === "Difference" && stamp.at === 0;
    const grey = greys(limitsOf(this.limitsFrom(stamp, unit), this.settings.stretch), this.settings.stretch, isDifference);
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    const sign = this.signOf(stamp);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const [x, y] = this.pixelAt(unit, (column + 0.5 - side / 2) / zoom, (side / 2 - row - 0.5) / zoom);
        if (x < 0 || y < 0 || x >= unit.width || y >= unit.height) continue;
        const value = unit.pixels[y * unit.width + x];
        const light = grey(sign * (Number.isFinite(value) ? value : unit.median));
        const level = 255 * (this.settings.inverted ? 1 - light : light);
        const at = 4 * (row * side + column);
        image.data[at] = image.data[at + 1] = image.data[at + 2] = level;
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    context.scale(ratio, ratio);
    this.drawOver(context, stamp, unit, isFirst);
    const sense = this.isStoredNegative(stamp) ? (this.settings.flipped ? "negative" : "negative, shown × −1") : "";
    stamp.label.textContent = sense || (unit.wcs ? "" : "no coordinates");
  }

  // The unit whose limits hold.
  limitsFrom(stamp, unit) {
    const science = this.stamps.find((other) => other.name === "Science")?.units[0];
    return this.settings.alike && stamp.name === "Template" && stamp.at === 0 && science ? science : unit;
  }

  drawOver(context, stamp, unit, isFirst) {
    const { side, zoom, ratio } = stamp.geometry;
    const size = side / ratio;
    const step = zoom / ratio;
    const lines = (paths) => {
      for (const [color, width] of [["#000000b0", 3.4], ["#ffe066", 1.4]]) {
        context.strokeStyle = color;
        context.lineWidth = width;
        for (const path of paths) {
          context.beginPath();
          path.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
          context.stroke();
        }
      }
    };
    const words = (text, x, y, align) => {
      context.font = "600 11px sans-serif";
      context.textAlign = align;
      context.textBaseline = "middle";
      context.lineJoin = "round";
      context.strokeStyle = "#000000b0";
      context.lineWidth = 3;
      context.strokeText(text, x, y);
      context.fillStyle = "#ffe066";
      context.fillText(text, x, y);
    };
    if (this.settings.cross) {
      const [x, y] = [size / 2, size / 2];
      lines([[[x - 22, y], [x - 8, y]], [[x + 8, y], [x + 22, y]], [[x, y - 22], [x, y - 8]], [[x, y + 8], [x, y + 22]]]);
    }
    if (!unit.wcs || !isFirst) return;
    const scale = scaleOf(unit.wcs) * 3600;
    const seconds = scale * Math.max(unit.width, unit.height) > 25 ? 10 : 1;
    const length = (seconds / scale) * step;
    lines([[[10, size - 10], [10 + length, size - 10]]]);
    words(seconds + "″", Math.max(20, 10 + length / 2), size - 20, "center");
    const corner = [size - 34, size - 34];
    for (const [name, east, north] of [["N", 0, 1], ["E", 1, 0]]) {
      const [right, up] = this.directionOf(unit.wcs, east, north);
      const tip = [corner[0] + 17 * right, corner[1] - 17 * up];
      const side = (turn) => [tip[0] - 5 * (right * 0.87 - turn * up * 0.5), tip[1] + 5 * (up * 0.87 + turn * right * 0.5)];
      lines([[corner, tip], [side(1), tip, side(-1)]]);
      words(name, corner[0] + 25 * right, corner[1] - 25 * up, "center");
    }
  }

  // Where the sky's direction points on the picture: [right, up], of length 1.
  directionOf(wcs, east, north) {
    if (!this.settings.raw) return [-east, north];
    const [x, y] = pixelsOf(wcs, east, north);
    return [x / Math.hypot(x, y), y / Math.hypot(x, y)];
  }

  readPixel(stamp, event) {
    const unit = stamp.units[stamp.at];
    const { side, zoom } = stamp.geometry;
    const frame = stamp.canvas.getBoundingClientRect();
    const ratio = side / frame.width;
    const [right, up] = [(event.clientX - frame.left) * ratio - side / 2, side / 2 - (event.clientY - frame.top) * ratio];
    const [x, y] = this.pixelAt(unit, right / zoom, up / zoom);
    if (x < 0 || y < 0 || x >= unit.width || y >= unit.height) return (this.pixel.textContent = "");
    const value = unit.pixels[y * unit.width + x];
    const sky = unit.wcs ? skyOf(unit.wcs, x, y) : null;
    const place = sky ? `\n${sky[0].toFixed(5)} ${sky[1] < 0 ? "−" : "+"}${Math.abs(sky[1]).toFixed(5)}` : "";
    this.pixel.textContent = `x ${x + 1}  y ${y + 1}  ${shortNumber(this.signOf(stamp) * value)} ${unit.unit}${place}`;
  }
}
