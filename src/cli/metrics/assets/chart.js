// Charts of the last hour.

import { el, svg } from "./dom.js";
import { numberTicks } from "./ticks.js";
import { clockText } from "./text.js";

const MARGIN = { left: 46, right: 6, top: 8, bottom: 18 };
const MIN_SPAN = 300000;
const MAX_SPAN = 3600000;
// Ticks of a logarithmic axis of seconds, whose lowest value is the first.
const LOG_TICKS = [[0.1, "0.1 s"], [1, "1 s"], [10, "10 s"], [60, "1m"], [600, "10m"], [3600, "1h"], [86400, "1d"], [864000, "10d"]];
const TIME_STEPS = [1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60000);

// Draws into `place` the points [{ at, values }], of which a value may be null. `kind` is "curve" or "bars"; `names` are the classes of the bars.
// `label` formats a value of the axis; `show` is called with the point under the mouse, or null.
export function drawChart(place, { points, now, kind, names = [], least, isLogarithmic = false, label, show }) {
  const width = Math.max(160, place.clientWidth), height = Math.max(80, place.clientHeight);
  const first = points.length ? points[0].at : now;
  const span = Math.min(MAX_SPAN, Math.max(MIN_SPAN, now - first));
  const sums = points.map((point) => point.values.reduce((sum, value) => sum + (value ?? 0), 0));
  const top = Math.max(least, ...sums) * 1.06;
  const x = (at) => MARGIN.left + (1 - (now - at) / span) * (width - MARGIN.left - MARGIN.right);
  const lowest = LOG_TICKS[0][0];
  const part = (value) => (isLogarithmic ? Math.log(Math.max(value, lowest) / lowest) / Math.log(top / lowest) : value / top);
  const y = (value) => height - MARGIN.bottom - part(value) * (height - MARGIN.top - MARGIN.bottom);
  const ticks = isLogarithmic ? LOG_TICKS.filter(([at]) => at <= top).map(([at, label]) => ({ at, label })) : numberTicks(0, top, 3);
  const parts = [];
  for (const tick of ticks) {
    const at = Math.round(y(tick.at)) + 0.5;
    parts.push(svg("line", { class: tick === ticks[0] ? "axis" : "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
    parts.push(svg("text", { x: MARGIN.left - 6, y: at + 3.5, "text-anchor": "end" }, label(tick.at, tick.label)));
  }
  const step = TIME_STEPS.find((size) => span / size <= (width < 300 ? 3 : 5)) ?? TIME_STEPS.at(-1);
  for (let at = Math.ceil((now - span) / step) * step; at <= now; at += step) {
    if (x(at) > width - 18 || x(at) < MARGIN.left + 12) continue;
    parts.push(svg("text", { x: x(at), y: height - 4, "text-anchor": "middle" }, clockText(at, false)));
  }
  const shown = points.filter((point) => point.at >= now - span);
  parts.push(...(kind === "curve" ? curve(shown, x, y) : bars(shown, x, y, names)));
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
  parts.push(cursor);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": place.parentElement.firstElementChild.textContent }, ...parts);
  const point = (at) => shown.reduce((best, each) => (best && Math.abs(x(best.at) - at) <= Math.abs(x(each.at) - at) ? best : each), null);
  const move = (offset) => {
    const near = offset === null ? null : point(offset);
    cursor.setAttribute("visibility", near ? "visible" : "hidden");
    if (near) {
      cursor.setAttribute("x1", x(near.at));
      cursor.setAttribute("x2", x(near.at));
    }
    show(near);
  };
  place.onpointermove = (event) => {
    place.pointed = event.clientX - place.getBoundingClientRect().left;
    move(place.pointed);
  };
  place.onpointerleave = () => {
    place.pointed = null;
    move(null);
  };
  place.replaceChildren(drawing);
  move(place.pointed ?? null);
}

// The curve, and the area below it, with gaps where the value is unknown.
function curve(points, x, y) {
  const runs = [];
  let run = null;
  for (const { at, values: [value] } of points) {
    if (value === null) {
      run = null;
      continue;
    }
    if (!run) runs.push((run = []));
    run.push(`${x(at).toFixed(1)},${y(value).toFixed(1)}`);
  }
  return runs.flatMap((run) => {
    const [left, right] = [run[0], run.at(-1)].map((point) => point.split(",")[0]);
    const ground = y(0).toFixed(1);
    return [
      svg("path", { class: "area", d: `M${left},${ground}L${run.join("L")}L${right},${ground}Z` }),
      // A single point is a short line.
      svg("path", { class: "curve", d: `M${run.join("L")}` + (run.length === 1 ? "h1.5" : "") }),
    ];
  });
}

// Bars, of which the values of one point stand on each other.
function bars(points, x, y, names) {
  const width = points.length > 1 ? Math.max(2, x(points[1].at) - x(points[0].at) - 0.5) : 2;
  return points.flatMap(({ at, values }) => {
    let below = 0;
    return values.flatMap((value, index) => {
      if (!value) return [];
      const [from, to] = [y(below), y(below + value)];
      below += value;
      return [svg("rect", { class: names[index], x: x(at) - width / 2, y: to, width, height: Math.max(1, from - to) })];
    });
  });
}

// A number with its label.
export function tile(label, value, unit, more, state) {
  return el(
    "div", { class: "tile" },
    el("div", { class: "label" }, label),
    el("div", { class: "value " + state }, value, unit ? el("span", { class: "unit" }, " " + unit) : null),
    el("div", { class: "more", title: more }, more),
  );
}
