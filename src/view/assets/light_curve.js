// The light curve with its controls: views, zoom, hover, and files.

import { byId, el, svg, theme, toggle } from "./dom.js";
import { csvLine, savePng, saveSvg, saveText } from "./export.js";
import { drawPlot, fullRange, presentMjd } from "./plot.js";
import { minus } from "./format.js";

const HEIGHT = 380;
const NARROW_HEIGHT = 300;
// How near the pointer has to be to a point, and how far it has to go to be a drag, in pixels.
const NEAR = 18;
const DRAG = 5;

export class LightCurve {
  constructor() {
    this.plot = byId("plot");
    this.controls = byId("plot-controls");
    this.settings = { view: 0, days: false, limits: true, forced: false, classic: false, hidden: new Set() };
    this.tooltip = el("div", { id: "tooltip", hidden: true });
    new ResizeObserver(() => this.curve && this.plot.clientWidth !== this.width && this.draw()).observe(this.plot);
  }

  show(curve, name) {
    this.curve = curve;
    this.name = name;
    this.zoom = null;
    this.unpin();
    this.settings.view = Math.min(this.settings.view, Math.max(0, curve.views.length - 1));
    this.draw();
    byId("notes").replaceChildren(...curve.notes.map((note) => el("p", {}, note)));
  }

  nextView() {
    if (!this.curve?.views.length) return;
    this.change({ view: (this.settings.view + 1) % this.curve.views.length });
  }

  toggleDays() {
    this.change({ days: !this.settings.days });
  }

  // Other settings, and the drawing anew. A zoom belongs to a view.
  change(settings) {
    if ("view" in settings) this.zoom = null;
    Object.assign(this.settings, settings);
    this.unpin();
    this.draw();
  }

  draw() {
    this.width = this.plot.clientWidth;
    this.drawControls();
    if (this.curve.views.length === 0 || this.curve.points.length === 0) {
      this.shown = null;
      this.plot.replaceChildren(el("p", { class: "empty" }, "This alert has no light curve."));
      return;
    }
    const size = { width: Math.max(300, this.width), height: this.width < 520 ? NARROW_HEIGHT : HEIGHT };
    this.range = this.zoom ?? fullRange(this.curve, this.settings);
    this.shown = drawPlot(this.curve, this.settings, this.range, size, theme());
    const { drawing } = this.shown;
    for (const entry of drawing.querySelectorAll(".legend")) {
      entry.addEventListener("click", () => this.press(entry));
      entry.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), this.press(entry)));
    }
    drawing.addEventListener("pointerdown", (event) => this.beginDrag(event));
    drawing.addEventListener("pointermove", (event) => this.move(event));
    drawing.addEventListener("pointerup", (event) => this.endDrag(event));
    drawing.addEventListener("pointerleave", () => this.pinned || (this.tooltip.hidden = true));
    drawing.addEventListener("dblclick", () => this.reset());
    drawing.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.plot.replaceChildren(drawing, this.tooltip);
  }

  drawControls() {
    const { settings, curve } = this;
    const has = (kind) => curve.points.some((point) => point.kind === kind);
    const views = el("select", { title: "what y shows (f)", "aria-label": "What y shows", onchange: (event) => this.change({ view: Number(event.target.value) }) });
    views.append(...curve.views.map((view, at) => el("option", { value: at, selected: at === settings.view }, view.unit && !view.inverted ? `${view.label} (${view.unit})` : view.label)));
    const save = (label, title, onclick) => el("button", { type: "button", title, onclick }, label);
    this.controls.replaceChildren(
      curve.views.length > 1 ? views : "",
      el("div", { class: "row" },
        toggle("days", "days before this alert (d)", settings.days, () => this.toggleDays()),
        has("limit") ? toggle("limits", "upper limits", settings.limits, () => this.change({ limits: !settings.limits })) : "",
        has("forced") ? toggle("forced", "forced photometry", settings.forced, () => this.change({ forced: !settings.forced })) : "",
        toggle("classic", "g green, r red, i orange", settings.classic, () => this.change({ classic: !settings.classic })),
      ),
      el("div", { class: "row" },
        save("PNG", "save the light curve as PNG (s)", () => this.savePng()),
        save("SVG", "save the light curve as SVG", () => this.shown && saveSvg(this.shown.drawing, this.name + ".svg")),
        save("CSV", "save the points as CSV", () => saveText(this.csv(), this.name + ".csv", "text/csv")),
        this.zoom ? save("reset zoom", "show all points (double click)", () => this.reset()) : "",
      ),
    );
  }

  savePng() {
    if (this.shown) savePng(this.shown.drawing, this.name + ".png");
  }

  // All points, in all views.
  csv() {
    const { views, points } = this.curve;
    const columns = views.flatMap((view) => [view.unit ? `${view.label} (${view.unit})` : view.label, "error"]);
    const lines = points.map((point) => {
      const values = views.flatMap((_, at) => [point.values[at]?.[0], point.values[at]?.[1]]);
      return csvLine([point.mjd, point.time, point.band, point.kind, point.negative ? 1 : 0, point.present ? 1 : 0, ...values, point.id]);
    });
    return csvLine(["mjd_utc", "utc", "band", "kind", "negative", "present", ...columns, "id"]) + lines.join("");
  }

  press(entry) {
    const { entry: what, name } = entry.dataset;
    if (what !== "band") return this.change({ [what]: !this.settings[what] });
    const hidden = new Set(this.settings.hidden);
    if (!hidden.delete(name)) hidden.add(name);
    this.change({ hidden });
  }

  placeOf(event) {
    const frame = this.shown.drawing.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  nearest({ x, y }) {
    let best = null;
    let least = NEAR;
    for (const place of this.shown.places) {
      const distance = Math.hypot(place.x - x, place.y - y);
      if (distance <= least) [best, least] = [place, distance];
    }
    return best;
  }

  beginDrag(event) {
    if (event.button === 0 && !event.target.closest(".legend")) this.drag = this.placeOf(event);
  }

  move(event) {
    const here = this.placeOf(event);
    if (this.drag && Math.hypot(here.x - this.drag.x, here.y - this.drag.y) > DRAG) {
      this.tooltip.hidden = true;
      this.frame?.remove();
      const [x, y] = [Math.min(here.x, this.drag.x), Math.min(here.y, this.drag.y)];
      const size = { width: Math.abs(here.x - this.drag.x), height: Math.abs(here.y - this.drag.y) };
      this.frame = svg("rect", { x, y, ...size, fill: theme().accent, "fill-opacity": 0.12, stroke: theme().accent });
      this.shown.drawing.append(this.frame);
    } else if (!this.pinned) {
      this.describe(this.nearest(here));
    }
  }

  endDrag(event) {
    const [from, to] = [this.drag, this.placeOf(event)];
    this.drag = null;
    if (!from) return;
    if (this.frame) {
      this.frame = null;
      const { mjdAt, valueAt } = this.shown;
      const between = (one, other) => [Math.min(one, other), Math.max(one, other)];
      const isWide = Math.abs(from.x - to.x) > DRAG && Math.abs(from.y - to.y) > DRAG;
      if (!isWide) return this.draw();
      this.zoom = { x: between(mjdAt(from.x), mjdAt(to.x)), y: between(valueAt(from.y), valueAt(to.y)) };
      return this.draw();
    }
    const point = this.nearest(to);
    this.unpin();
    if (point) {
      this.describe(point);
      this.pinned = true;
      this.tooltip.classList.add("pinned");
    }
  }

  unpin() {
    this.pinned = false;
    this.tooltip.hidden = true;
    this.tooltip.classList.remove("pinned");
  }

  reset() {
    this.zoom = null;
    this.unpin();
    this.draw();
  }

  // Zooms both axes around the pointer; over an axis, that axis alone.
  wheel(event) {
    event.preventDefault();
    const { x, y } = this.placeOf(event);
    const { box, mjdAt, valueAt } = this.shown;
    const factor = 1.0015 ** event.deltaY;
    const around = ([low, high], middle, isZoomed) => (isZoomed ? [middle + (low - middle) * factor, middle + (high - middle) * factor] : [low, high]);
    const zoom = { x: around(this.range.x, mjdAt(x), x >= box.left), y: around(this.range.y, valueAt(y), y <= box.bottom) };
    if (zoom.x[1] - zoom.x[0] < 1e-6 || zoom.x[1] - zoom.x[0] > 1e5 || !(zoom.y[1] - zoom.y[0] > 1e-9)) return;
    this.zoom = zoom;
    this.unpin();
    this.draw();
  }

  describe(place) {
    this.tooltip.hidden = !place;
    if (!place) return;
    const { point, text } = place;
    const view = this.curve.views[this.settings.view];
    const relation = point.kind === "limit" ? (view.inverted ? "> " : "< ") : "";
    const unit = view.unit ? " " + view.unit : "";
    const kind = { limit: " upper limit", forced: " forced", detection: "" }[point.kind];
    const days = presentMjd(this.curve) - point.mjd;
    this.tooltip.replaceChildren(
      el("div", {}, el("b", {}, `${point.band} ${relation}${minus(text)}${unit}`), point.negative ? " (−)" : "", kind),
      el("div", {}, point.time + " UTC"),
      el("div", {}, `MJD ${point.mjd.toFixed(5)}`, point.present ? ", this alert" : `, ${minus(days.toFixed(3))} d before`),
      point.id ? el("div", {}, "id " + point.id) : "",
    );
    const isRight = place.x > this.width / 2;
    this.tooltip.style.left = isRight ? "" : place.x + 14 + "px";
    this.tooltip.style.right = isRight ? this.width - place.x + 14 + "px" : "";
    this.tooltip.style.top = Math.max(0, place.y - 30) + "px";
  }
}
