// Rate limits by the time of day, for home lines: "08:00-18:00=500K" limits what goes out, "=500K/2M" what comes in as
// well. Times are the machine's local ones. Where windows overlap, the one that was named last holds.

/** A rate in bytes per second; undefined for no limit. */
export interface Rates {
  readonly up: number | undefined;
  readonly down: number | undefined;
}

export interface ScheduleWindow {
  /** Minutes of the day, 0 to 1439. One that ends before it begins goes on past midnight; equal ones are the whole day. */
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly up: number | undefined;
  /** `"usual"`: as it is at other times. */
  readonly down: number | undefined | "usual";
}

/** What holds at a minute of the day. @param usual What holds outside of all windows. */
export function ratesAt(windows: readonly ScheduleWindow[], minute: number, usual: Rates): Rates {
  const window = windows.findLast((one) => isInside(one, minute));
  if (window === undefined) return usual;
  return { up: window.up, down: window.down === "usual" ? usual.down : window.down };
}

/** The minute of the day here. @param unixMs Since 1970. */
export function minuteOfDay(unixMs: number): number {
  const here = new Date(unixMs);
  return here.getHours() * 60 + here.getMinutes();
}

function isInside({ fromMinute, toMinute }: ScheduleWindow, minute: number): boolean {
  if (fromMinute === toMinute) return true;
  if (fromMinute < toMinute) return minute >= fromMinute && minute < toMinute;
  return minute >= fromMinute || minute < toMinute;
}
