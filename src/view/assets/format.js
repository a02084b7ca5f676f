// Numbers and times as text.

const MJD_1970 = 40587;
export const DAY = 86400000;

export function msOfMjd(mjd) {
  return (mjd - MJD_1970) * DAY;
}

export function mjdOfMs(ms) {
  return ms / DAY + MJD_1970;
}

// A length of time in at most four characters, as in the table of `fink consume`.
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 100) return seconds + "s";
  if (seconds < 6000) return Math.floor(seconds / 60) + "m";
  if (seconds < 172800) return Math.floor(seconds / 3600) + "h";
  if (seconds < 86313600) return Math.floor(seconds / 86400) + "d";
  return Math.floor(seconds / 31557600) + "y";
}

// A pixel's value.
export function shortNumber(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.01 || size >= 1e6)) return value.toExponential(3);
  return value.toFixed(size < 10 ? 3 : size < 1000 ? 2 : 1);
}

export function minus(text) {
  return text.replace(/^-/, "−");
}
