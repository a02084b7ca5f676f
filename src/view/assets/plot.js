// Draws a light curve as SVG. All colours are attributes, so that the drawing can be saved as it is.

import { svg } from "./dom.js";
import { dateTicks, numberTicks } from "./ticks.js";
import { limitMarker, marker } from "./markers.js";

const FONT = "system-ui, -apple-system, Segoe UI, Roboto, Liberation Sans, Arial, sans-serif";
const RADIUS = 4.5;
const MARGIN = { right: 14, top: 46, bottom: 44 };
// Errors beyond this part of the range of values do not widen the axis.
const WIDEST_ERROR = 0.5;

// How a band is drawn: with limits on, a filled triangle pointing down would look like one.
function styleOf(curve, band, settings, colors) {
  const style = curve.bands.find((style) => style.name === band);
  const hasLimits = settings.limits && curve.points.some((point) => point.kind === "limit" && point.values[settings.view]);
  const shape = hasLimits && style.marker === "triangle-down" ? "diamond" : style.marker;
  if (settings.classic) return { shape, color: style.classic, negative: style.classic };
  if (colors.isDark) return { shape, color: style.dark, negative: style.dark };
  return { shape, color: style.color, negative: style.negative };
}

// The points that the settings let through, each with its value in the view.
export function visiblePoints(curve, settings) {
  const isShown = (point) =>
    point.values[settings.view] &&
    !settings.hidden.has(point.band) &&
    (point.kind !== "limit" || settings.limits) &&
    (point.kind !== "forced" || settings.forced);
  return curve.points.filter(isShown).map((point) => {
    const [value, error, text] = point.values[settings.view];
    return { point, value, error, text };
  });
}

// The part of time and brightness that shows all points.
export function fullRange(curve, settings) {
  const points = visiblePoints(curve, settings);
  if (points.length === 0) return { x: [0, 1], y: [0, 1] };
  const spread = (values) => [Math.min(...values), Math.max(...values)];
  const [first, last] = spread(points.map(({ point }) => point.mjd));
  const values = points.map(({ value }) => value);
  const [low, high] = spread(values);
  const most = WIDEST_ERROR * Math.max(high - low, curve.views[settings.view].inverted ? 1 : Math.abs(high));
  const ends = points.flatMap(({ value, error }) => [value - Math.min(error ?? 0, most), value + Math.min(error ?? 0, most)]);
  if (curve.views[settings.view].zero) ends.push(0);
  const [bottom, top] = spread(ends);
  const isMagnitude = curve.views[settings.view].inverted;
  const padX = Math.max(0.04 * (last - first), first === last ? 0.5 : 0.02);
  const padY = Math.max(0.07 * (top - bottom), isMagnitude ? 0.1 : 1e-9 + 0.02 * Math.abs(top));
  return { x: [first - padX, last + padX], y: [bottom - padY, top + padY] };
}

// The drawing, and functions between places on it and values.
export function drawPlot(curve, settings, range, size, colors) {
  const view = curve.views[settings.view];
  const labels = numberTicks(range.y[0], range.y[1], (size.height - MARGIN.top - MARGIN.bottom) / 45).map((tick) => tick.label.length);
  const left = Math.max(66, 36 + 7.2 * Math.max(0, ...labels));
  const box = { left, top: MARGIN.top, right: size.width - MARGIN.right, bottom: size.height - MARGIN.bottom };
  const legend = drawLegend(curve, settings, box, colors);
  box.top += legend.height;
  const share = (value, [low, high]) => (value - low) / (high - low);
  const toX = (mjd) => box.left + share(mjd, range.x) * (box.right - box.left);
  const toY = (value) => {
    const part = share(value, range.y);
    return view.inverted ? box.top + part * (box.bottom - box.top) : box.bottom - part * (box.bottom - box.top);
  };
  const drawing = svg("svg", {
    width: size.width, height: size.height, viewBox: `0 0 ${size.width} ${size.height}`, role: "img",
    "aria-label": `${view.label} over time`, "font-family": FONT, "font-size": 12, fill: colors.ink,
  });
  drawing.append(svg("rect", { width: size.width, height: size.height, fill: colors.ground }));
  drawing.append(legend.node, drawAxes(curve, settings, range, box, toX, toY, colors));
  const clip = svg("clipPath", { id: "plot-area" });
  clip.append(svg("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }));
  drawing.append(svg("defs", {}, clip));
  const points = drawPoints(curve, settings, toX, toY, colors);
  drawing.append(points.node);
  if (points.places.length === 0) {
    const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, "text-anchor": "middle", fill: colors.muted };
    drawing.append(svg("text", middle, "no points with these settings"));
  }
  return {
    drawing,
    box,
    places: points.places,
    mjdAt: (x) => range.x[0] + ((x - box.left) / (box.right - box.left)) * (range.x[1] - range.x[0]),
    valueAt: (y) => {
      const part = (view.inverted ? y - box.top : box.bottom - y) / (box.bottom - box.top);
      return range.y[0] + part * (range.y[1] - range.y[0]);
    },
  };
}

function drawPoints(curve, settings, toX, toY, colors) {
  const node = svg("g", { "clip-path": "url(#plot-area)" });
  const places = [];
  const rings = [];
  const order = { limit: 0, forced: 1, detection: 2 };
  const points = visiblePoints(curve, settings).sort((one, other) => order[one.point.kind] - order[other.point.kind]);
  for (const shown of points) {
    const { point, value, error } = shown;
    const style = styleOf(curve, point.band, settings, colors);
    const [x, y] = [toX(point.mjd), toY(value)];
    const color = point.negative ? style.negative : style.color;
    const group = svg("g", { class: "point " + point.kind, "data-band": point.band });
    if (error) {
      const bar = { x1: x, x2: x, y1: toY(value - error), y2: toY(value + error), stroke: color, "stroke-width": 1.3, opacity: 0.5 };
      group.append(svg("line", { class: "error", ...bar }));
    }
    if (point.kind === "limit") group.append(limitMarker(x, y, RADIUS, color));
    else if (point.kind === "forced") group.append(marker(style.shape, x, y, 0.6 * RADIUS, color, colors.ground, true));
    else group.append(marker(style.shape, x, y, RADIUS, color, colors.ground, point.negative));
    if (point.present) rings.push(svg("circle", { class: "present", cx: x, cy: y, r: 2.1 * RADIUS, fill: "none", stroke: colors.ink, "stroke-width": 1.6 }));
    node.append(group);
    places.push({ ...shown, x, y });
  }
  node.append(...rings);
  return { node, places };
}

function drawAxes(curve, settings, range, box, toX, toY, colors) {
  const node = svg("g", {});
  const view = curve.views[settings.view];
  const width = box.right - box.left;
  const line = (x1, y1, x2, y2, stroke, more = {}) => node.append(svg("line", { x1, y1, x2, y2, stroke, ...more }));
  const text = (x, y, label, more = {}) => node.append(svg("text", { x, y, "text-anchor": "middle", ...more }, label));

  for (const tick of bottomTicks(curve, settings, range, width / 85)) {
    line(toX(tick.at), box.top, toX(tick.at), box.bottom, colors.grid);
    line(toX(tick.at), box.bottom, toX(tick.at), box.bottom + 5, colors.muted);
    text(toX(tick.at), box.bottom + 18, tick.label);
  }
  const dates = dateTicks(range.x[0], range.x[1], width / 105);
  for (const tick of dates) {
    line(toX(tick.at), box.top - 5, toX(tick.at), box.top, colors.muted);
    text(Math.max(box.left + 28, Math.min(toX(tick.at), box.right - 26)), box.top - 9, tick.label, { fill: colors.muted, "font-size": 11 });
  }
  text(box.left - 8, box.top - 9, "UTC", { fill: colors.muted, "font-size": 11, "text-anchor": "end" });
  for (const tick of numberTicks(range.y[0], range.y[1], (box.bottom - box.top) / 45)) {
    line(box.left, toY(tick.at), box.right, toY(tick.at), colors.grid);
    line(box.left - 5, toY(tick.at), box.left, toY(tick.at), colors.muted);
    text(box.left - 8, toY(tick.at) + 4, tick.label, { "text-anchor": "end" });
  }
  if (view.zero && range.y[0] < 0 && range.y[1] > 0) {
    line(box.left, toY(0), box.right, toY(0), colors.muted, { class: "zero", "stroke-dasharray": "5 4" });
  }
  node.append(svg("rect", { x: box.left, y: box.top, width, height: box.bottom - box.top, fill: "none", stroke: colors.muted }));
  const scale = curve.tai ? "MJD, UTC (= TAI − 37 s)" : "MJD, UTC";
  text((box.left + box.right) / 2, box.bottom + 37, settings.days ? "Days before this alert" : scale);
  const label = view.inverted || view.unit === "" ? view.label : `${view.label} (${view.unit})`;
  const middle = (box.top + box.bottom) / 2;
  text(15, middle, label, { transform: `rotate(-90 15 ${middle})` });
  return node;
}

function bottomTicks(curve, settings, range, most) {
  const present = presentMjd(curve);
  if (!settings.days) return numberTicks(range.x[0], range.x[1], most);
  const before = numberTicks(present - range.x[1], present - range.x[0], most);
  return before.map((tick) => ({ at: present - tick.at, label: tick.label }));
}

export function presentMjd(curve) {
  return (curve.points.find((point) => point.present) ?? curve.points.at(-1))?.mjd ?? 0;
}

// Each band, and the kinds of points that are there; a click turns them on and off.
function drawLegend(curve, settings, box, colors) {
  const node = svg("g", {});
  const has = (kind) => curve.points.some((point) => point.kind === kind && point.values[settings.view]);
  const entries = curve.bands.map((band) => {
    const { shape, color } = styleOf(curve, band.name, settings, colors);
    return { name: band.name, data: "band", isOn: !settings.hidden.has(band.name), mark: (x, y) => marker(shape, x, y, RADIUS, color, colors.ground) };
  });
  const negatives = visiblePoints(curve, settings).filter(({ point }) => point.negative && point.kind === "detection");
  if (negatives.length > 0) {
    const { shape, negative } = styleOf(curve, negatives[0].point.band, settings, colors);
    entries.push({ name: "negative (−)", data: "", isOn: true, mark: (x, y) => marker(shape, x, y, RADIUS, negative, colors.ground, true) });
  }
  if (has("limit")) entries.push({ name: "upper limits", data: "limits", isOn: settings.limits, mark: (x, y) => limitMarker(x, y, RADIUS, colors.ink) });
  if (has("forced")) entries.push({ name: "forced photometry", data: "forced", isOn: settings.forced, mark: (x, y) => marker("circle", x, y, 0.6 * RADIUS, colors.ink, colors.ground, true) });
  let [x, y] = [box.left + 6, 14];
  for (const entry of entries) {
    const width = 26 + 6.6 * entry.name.length;
    if (x + width > box.right && x > box.left + 6) [x, y] = [box.left + 6, y + 18];
    const role = entry.data ? { role: "button", tabindex: 0, class: "legend", "aria-pressed": String(entry.isOn) } : {};
    const group = svg("g", { ...role, "data-entry": entry.data, "data-name": entry.name, opacity: entry.isOn ? 1 : 0.35 });
    group.append(svg("rect", { x: x - 8, y: y - 10, width, height: 19, fill: colors.ground }), entry.mark(x, y));
    group.append(svg("text", { x: x + 10, y: y + 4 }, entry.name));
    node.append(group);
    x += width + 8;
  }
  return { node, height: y - 14 };
}
