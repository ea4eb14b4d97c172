const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** A number in three digits or so: `0`, `0.5`, `42`, `1.2k`, `345k`, `1.2M`. */
export function formatQuantity(value: number): string {
  let scaled = value;
  let step = 0;
  // What would be rounded up to 1000 belongs to the next prefix.
  while (scaled >= 999.5 && step < PREFIXES.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = Number.isInteger(scaled) || scaled >= 99.95 ? 0 : scaled >= 9.995 && step === 0 ? 0 : 1;
  return `${scaled.toFixed(digits)}${PREFIXES[step]}`;
}

/** A share of 1 in percent: `25.0 %`. */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const EIGHTHS = ' ▏▎▍▌▋▊▉';

/** A bar for a part of 1, so many characters wide; anything above nothing can be seen. */
export function bar(part: number, width: number): string {
  const eighths = Math.min(width * 8, Math.max(part > 0 ? 1 : 0, Math.round(part * width * 8)));
  const rest = eighths % 8;
  return `${'█'.repeat(eighths >> 3)}${rest > 0 ? (EIGHTHS[rest] ?? '') : ''}`.padEnd(width);
}
