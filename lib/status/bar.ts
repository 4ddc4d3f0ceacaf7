// The last line of a terminal, redrawn in place. It shares the stream with log lines, so whoever writes a line goes
// through `above`, which takes the bar away first; that is why it is not cli-progress, whose single bar and foreign
// lines overwrite one another.

import { formatPercent } from "../format.ts";
import type { Progress } from "./progress.ts";

export class Bar {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  #line = "";
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  /** @param options.columns Width of the terminal now; it may change. */
  constructor(options: { write: (text: string) => void; columns: () => number }) {
    this.#write = options.write;
    this.#columns = options.columns;
  }

  /**
   * Shows a moment, unless one was shown just before; the end is always shown.
   *
   * @param words What is said beside the bar, what matters most first.
   */
  show(progress: Progress, words: readonly string[], nowMs: number): void {
    const isWhole = progress.doneBytes >= progress.totalBytes;
    if (!isWhole && nowMs - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = nowMs;
    this.#line = barLine(progress, words, this.#columns());
    this.#write(`${TO_START}${this.#line}${CLEAR_REST}`);
  }

  /** Writes whole lines above the bar. */
  above(lines: string): void {
    this.#write(this.#line === "" ? lines : `${TO_START}${CLEAR_REST}${lines}${this.#line}`);
  }

  /** Takes the bar away; the next `show` begins again. */
  clear(): void {
    if (this.#line === "") return;
    this.#line = "";
    this.#drawnAtMs = Number.NEGATIVE_INFINITY;
    this.#write(`${TO_START}${CLEAR_REST}`);
  }
}

/**
 * `Download [#####-----]  50.0%  words`, one column short of the terminal, so that nothing wraps. In a narrow one the
 * cells give way first, then the last words, each as a whole: half a number would be another number.
 */
function barLine(progress: Progress, words: readonly string[], columns: number): string {
  const percent = formatPercent(progress.doneBytes, progress.totalBytes).padStart(6);
  const columnsBeside = (said: string) => columns - 1 - progress.label.length - said.length - " [] ".length;
  let kept = words.length;
  const said = () => [percent, ...words.slice(0, kept)].join("  ");
  while (kept > 0 && columnsBeside(said()) < LEAST_CELLS) kept--;
  const cells = Math.min(Math.max(columnsBeside(said()), LEAST_CELLS), MOST_CELLS);
  const share = progress.totalBytes <= 0 ? 1 : Math.min(progress.doneBytes / progress.totalBytes, 1);
  const full = Math.floor(share * cells);
  const bar = "#".repeat(full) + "-".repeat(cells - full);
  return `${progress.label} [${bar}] ${said()}`.slice(0, Math.max(columns - 1, 0));
}

const LEAST_CELLS = 8;
const MOST_CELLS = 24;
const REDRAW_MS = 100;
const TO_START = "\r";
const CLEAR_REST = "\x1b[K";
