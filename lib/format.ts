// Quantities as a person reads them. Units are decimal, as disks and lines are sold; scripts get plain numbers.

/** Bytes: "512 B", "1.5 KB", "57.6 GB". */
export function formatBytes(bytes: number): string {
  const unit = unitFor(bytes);
  return unit === 0 ? `${Math.round(bytes)} B` : `${scaled(bytes, unit)} ${UNITS[unit]}`;
}

/** Done and total in the total's unit: "7.1 of 57.6 GB". */
export function formatShare(doneBytes: number, totalBytes: number): string {
  const unit = unitFor(totalBytes);
  if (unit === 0) return `${doneBytes} of ${totalBytes} B`;
  return `${scaled(doneBytes, unit)} of ${scaled(totalBytes, unit)} ${UNITS[unit]}`;
}

/** Bytes per second: "12.4 MB/s". */
export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** A part of a whole, rounded down, so that only the whole is "100.0%". An empty whole is done. */
export function formatPercent(done: number, total: number): string {
  const tenths = total <= 0 ? 1000 : Math.floor(Math.min(done / total, 1) * 1000);
  return `${(tenths / 10).toFixed(1)}%`;
}

/** A time to wait, in its two largest units: "45 s", "12 min", "3 h 5 min", "2 d 4 h". */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A hash as log lines show it: its first 16 hex digits. Public keys are shown in full. */
export function shortHash(hex: string): string {
  return hex.slice(0, 16);
}

/** Text that may quote a stranger, without anything that moves a terminal's cursor: "\\x1b". */
export function printable(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A path as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The largest unit in which one decimal still says at least "1.0". */
function unitFor(bytes: number): number {
  let unit = 0;
  // 999,950 would round to "1000.0 KB".
  while (unit < UNITS.length - 1 && bytes >= 999.95 * 1000 ** unit) unit++;
  return unit;
}

function scaled(bytes: number, unit: number): string {
  return (bytes / 1000 ** unit).toFixed(1);
}

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"] as const;
