// Log lines, as text in upstream's form (`YYYY-MM-DDTHH:MM:SS [logger] LEVEL: text`, local time) or as one JSON
// object a line. Levels, filtering and the escaping of control characters (texts quote strangers) are LogTape's.
// Its configuration is the process's: the log made last is the one in force.

import {
  configureSync,
  getLogger,
  getTextFormatter,
  type LogLevel as TapeLevel,
  type LogRecord,
} from "@logtape/logtape";

export type LogLevel = "debug" | "info" | "warning" | "error";
export type LogFormat = "text" | "json";

/** Says one thing. `logger` is a dotted name: "mirror.discovery". */
export type Log = (level: LogLevel, logger: string, text: string) => void;

/**
 * Makes the process's log.
 *
 * @param options.level The least that is written.
 * @param options.color Whether warnings and errors may be coloured (text only).
 * @param options.write Takes whole lines, newline included.
 * @param options.unixMs The time of a line.
 */
export function createLog(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly color: boolean;
  readonly write: (line: string) => void;
  readonly unixMs: () => number;
}): Log {
  const format = options.format === "json" ? jsonLine : textFormatter(options.color);
  configureSync({
    reset: true,
    sinks: { lines: (record) => options.write(format(record)) },
    loggers: [
      { category: [], lowestLevel: options.level, sinks: ["lines"] },
      // LogTape's word about itself; only its troubles are of interest.
      { category: ["logtape", "meta"], lowestLevel: "error", parentSinks: "override", sinks: ["lines"] },
    ],
  });
  return (level, logger, text) => {
    getLogger(logger.split(".")).emit({
      level,
      message: [text],
      rawMessage: text,
      properties: {},
      timestamp: options.unixMs(),
    });
  };
}

function textFormatter(color: boolean) {
  return getTextFormatter({
    timestamp: localTime,
    level: (level) => levelWord(level, color),
    category: ".",
    // Texts quote strangers: one text is one line, and none moves the cursor.
    sanitize: { sgr: "escape", newlines: "escape" },
    format: ({ timestamp, category, level, message }) => `${timestamp} [${category}] ${level}: ${message}`,
  });
}

function levelWord(level: TapeLevel, color: boolean): string {
  const code = color ? COLORS[level] : undefined;
  const word = level.toUpperCase();
  return code === undefined ? word : `${code}${word}${RESET}`;
}

/** Keys and level words of our own, so that scripts do not depend on LogTape's. */
function jsonLine(record: LogRecord): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    logger: record.category.join("."),
    message: record.message.join(""),
  }) + "\n";
}

function localTime(unixMs: number): string {
  const at = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}` +
    `T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const RESET = "\x1b[0m";
const COLORS: Partial<Record<TapeLevel, string>> = { warning: "\x1b[33m", error: "\x1b[31m" };
