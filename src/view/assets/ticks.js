// Places of ticks on an axis, and their labels.

import { DAY, mjdOfMs, msOfMjd } from "./format.js";

const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DATE_STEPS = [
  ...[100, 200, 500, 1000, 2000, 5000, 10000, 30000],
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 20].map((days) => days * DAY),
];
const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60, 120];

// Round numbers between two, `most` of them or fewer: [{ at, label }].
export function numberTicks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let count = Math.ceil(low / step - 1e-9); count * step <= high + step * 1e-9; count++) {
    ticks.push({ at: count * step, label: numberLabel(count * step, decimals) });
  }
  return ticks;
}

function numberLabel(value, decimals) {
  const size = Math.abs(value);
  if (size >= 1e7) return value.toExponential(1).replace("e+", "e").replace("-", "−");
  return (size < 1e-12 ? 0 : value).toFixed(decimals).replace("-", "−");
}

// Dates between two modified Julian dates: [{ at, label }], `at` in MJD.
export function dateTicks(low, high, most) {
  const [start, end] = [msOfMjd(low), msOfMjd(high)];
  const rough = (end - start) / Math.max(1, most);
  const step = DATE_STEPS.find((size) => size >= rough);
  if (step) {
    const ticks = [];
    // Days are counted from 1970, so that a step of several days does not begin anew each month.
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) ticks.push({ at: mjdOfMs(at), label: dateLabel(at, step) });
    return ticks;
  }
  const months = MONTH_STEPS.find((count) => count * 30 * DAY >= rough) ?? 240;
  const first = new Date(start);
  const ticks = [];
  for (let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months; ; month += months) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > end) return ticks;
    if (at >= start) ticks.push({ at: mjdOfMs(at), label: new Date(at).toISOString().slice(0, 7) });
  }
}

function dateLabel(ms, step) {
  const iso = new Date(Math.round(ms)).toISOString();
  if (step >= DAY) return iso.slice(0, 10);
  if (step >= MINUTE) return iso.slice(5, 10) + " " + iso.slice(11, 16);
  return iso.slice(11, step >= 1000 ? 19 : 21);
}
