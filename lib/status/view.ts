// One run as a person watches it: takes every event, writes log lines, and shows progress either as a bar (on a
// terminal) or as a log line now and then. Nothing else writes to stderr while it is in use.

import type { Phase, Report, RunEvent } from "../events.ts";
import type { Clock } from "../ports.ts";
import { Bar } from "./bar.ts";
import { createLog, type Log, type LogFormat, type LogLevel } from "./log.ts";
import { formatShare } from "../format.ts";
import { LinePacer, transferLine, transferWords, workLine } from "./progress.ts";

export interface ViewOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly color: boolean;
  /** Says what events tell that name no logger: long work, and most phases. */
  readonly logger: string;
  /** Whether the stream is a terminal that can redraw a line. */
  readonly bar: boolean;
  readonly columns: () => number;
  readonly write: (text: string) => void;
  readonly clock: Clock;
}

export class View {
  readonly #makeLog: (level: LogLevel) => Log;
  #log: Log;
  readonly #bar: Bar | undefined;
  readonly #clock: Clock;
  readonly #logger: string;
  readonly #pacer = new LinePacer();
  #phase: Phase = "starting";

  constructor(options: ViewOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    // A bar among JSON lines would make them unreadable for whoever asked for JSON.
    this.#bar = options.bar && options.format === "text" ? new Bar(options) : undefined;
    this.#makeLog = (level) =>
      createLog({
        level,
        format: options.format,
        color: options.color,
        unixMs: () => options.clock.unixMs(),
        write: (line) => this.#bar === undefined ? options.write(line) : this.#bar.above(line),
      });
    this.#log = this.#makeLog(options.level);
  }

  /** From now on the least that is written is this. Bound. */
  readonly changeLevel = (level: LogLevel): void => {
    this.#log = this.#makeLog(level);
  };

  /** Shows an event. Bound: it can be handed over as a `Report`. */
  readonly report: Report = (event: RunEvent) => {
    switch (event.kind) {
      case "note":
        this.#log(event.level, event.logger, event.text);
        break;
      case "phase":
        this.#phase = event.phase;
        this.#bar?.clear();
        this.#log(
          "info",
          event.logger ?? this.#logger,
          `State transition: ${event.previous} → ${event.phase}`,
        );
        break;
      case "transfer": {
        const { progress } = event;
        const shown = { label: "Download", doneBytes: progress.doneBytes, totalBytes: progress.totalBytes };
        const nowMs = this.#clock.nowMs();
        if (this.#bar !== undefined) this.#bar.show(shown, transferWords(progress), nowMs);
        else if (this.#pacer.isDue(shown, nowMs)) {
          this.#log("info", "mirror.session", transferLine(progress, this.#phase));
        }
        break;
      }
      case "work": {
        const nowMs = this.#clock.nowMs();
        if (this.#bar !== undefined) {
          this.#bar.show(event, [formatShare(event.doneBytes, event.totalBytes)], nowMs);
        } else if (this.#pacer.isDue(event, nowMs)) this.#log("info", this.#logger, workLine(event));
        break;
      }
      case "facts":
      case "discovered":
      case "switched":
      case "degraded":
      case "standing":
        // For programs that watch; notes say the same to people.
        break;
      default:
        event satisfies never;
    }
  };

  /** Takes the bar away, so that whatever is written next begins on a line of its own. */
  end(): void {
    this.#bar?.clear();
  }
}
