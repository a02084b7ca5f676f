// The marks of points, in SVG. Bands differ by their mark too, never by the colour alone.

import { svg } from "./dom.js";

function polygon(x, y, radius, corners, turn, inner = 1) {
  const points = [];
  const count = inner < 1 ? 2 * corners : corners;
  for (let at = 0; at < count; at++) {
    const angle = ((turn + (360 * at) / count) * Math.PI) / 180;
    const size = inner < 1 && at % 2 ? radius * inner : radius;
    points.push(`${(x + size * Math.sin(angle)).toFixed(2)},${(y - size * Math.cos(angle)).toFixed(2)}`);
  }
  return "M" + points.join("L") + "Z";
}

function circle(x, y, radius) {
  return `M${x - radius},${y}a${radius},${radius} 0 1 0 ${2 * radius},0a${radius},${radius} 0 1 0 ${-2 * radius},0Z`;
}

// Radii that look equally large.
const OUTLINES = {
  "circle": (x, y, r) => circle(x, y, r),
  "dotted-circle": (x, y, r) => circle(x, y, r),
  "barred-circle": (x, y, r) => circle(x, y, r),
  "triangle-up": (x, y, r) => polygon(x, y + 0.15 * r, 1.3 * r, 3, 0),
  "triangle-down": (x, y, r) => polygon(x, y - 0.15 * r, 1.3 * r, 3, 180),
  "square": (x, y, r) => polygon(x, y, 1.25 * r, 4, 45),
  "diamond": (x, y, r) => polygon(x, y, 1.3 * r, 4, 0),
  "star": (x, y, r) => polygon(x, y, 1.45 * r, 5, 0, 0.45),
  "pentagon": (x, y, r) => polygon(x, y, 1.2 * r, 5, 0),
};

// A mark at a place. Hollow ones show the ground.
export function marker(shape, x, y, radius, color, ground, isHollow = false) {
  const outline = (OUTLINES[shape] ?? OUTLINES.circle)(x, y, radius);
  const group = svg("g", {}, svg("path", { d: outline, fill: isHollow ? ground : color, stroke: color, "stroke-width": 1.3 }));
  const inside = isHollow ? color : ground;
  if (shape === "dotted-circle") group.append(svg("circle", { cx: x, cy: y, r: 0.32 * radius, fill: inside }));
  if (shape === "barred-circle") {
    group.append(svg("rect", { x: x - 0.7 * radius, y: y - 0.22 * radius, width: 1.4 * radius, height: 0.44 * radius, fill: inside }));
  }
  return group;
}

// An upper limit: an open triangle pointing down.
export function limitMarker(x, y, radius, color) {
  return svg("path", { d: OUTLINES["triangle-down"](x, y, radius), fill: "none", stroke: color, "stroke-width": 1.3, opacity: 0.5 });
}
