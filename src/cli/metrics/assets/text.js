// Counts, durations and times as text.

// 1 234 567
export function countText(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// A rate without decimals, unless it is small.
export function rateText(perSecond) {
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : countText(Math.round(perSecond));
}

export function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return (unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)) + "\u202f" + units[unit];
}

// As in the status line: 0.7 s, 95.2 s, 12m, 3h12m, 5d3h.
export function durationText(seconds) {
  if (seconds < 100) return seconds.toFixed(1) + " s";
  const whole = Math.floor(seconds);
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"]];
  if (whole < 86400) parts.push([Math.floor(whole / 60) % 60, "m"]);
  return parts.filter(([count]) => count > 0).map(([count, unit]) => count + unit).join("");
}

// The time of day, UTC.
export function clockText(ms, withSeconds = true) {
  return new Date(ms).toISOString().slice(11, withSeconds ? 19 : 16);
}
