// From a pixel's value to a grey; the program's --png does the same in stamps/stretch.rs.

export const STRETCHES = [
  { key: "1", name: "zscale", title: "zscale, linear" },
  { key: "2", name: "asinh", title: "zscale with asinh; the difference linear" },
  { key: "3", name: "log", title: "logarithmic, from zscale's lower limit to the maximum" },
  { key: "4", name: "minmax", title: "from the minimum to the maximum, linear" },
];

// As astropy's AsinhStretch(0.1) and LogStretch(1000).
const CURVES = {
  linear: (t) => t,
  asinh: (t) => Math.asinh(t / 0.1) / Math.asinh(10),
  log: (t) => Math.log(1000 * t + 1) / Math.log(1001),
};

// The limits of an image under a stretch.
export function limitsOf(unit, name) {
  if (name === "minmax") return unit.extremes;
  if (name === "log") return [unit.zscale[0], unit.extremes[1]];
  return unit.zscale;
}

// A function from value to grey, 0 (black) to 1 (white). A difference is symmetric about 0.
export function greys(limits, name, isDifference) {
  if (isDifference) {
    const high = Math.max(Math.abs(limits[0]), Math.abs(limits[1]));
    const curve = name === "log" ? CURVES.log : CURVES.linear;
    if (!(high > 0)) return () => 0.5;
    return (value) => 0.5 + 0.5 * Math.sign(value) * curve(Math.min(1, Math.abs(value) / high));
  }
  const [low, high] = limits;
  const curve = CURVES[name] ?? CURVES.linear;
  if (!(high > low)) return () => 0.5;
  return (value) => curve(Math.min(1, Math.max(0, (value - low) / (high - low))));
}
