// Whether a run does its role, judged from outside by what it said of itself: for container health checks, so strict
// about silence and lenient about everything that restarting would not mend.

import { formatSeconds } from "../format.ts";
import type { RunStatus } from "./run_status.ts";

/** What can be seen of a run from outside. */
export interface Look {
  readonly nowUnixMs: number;
  /** Whether the process runs; undefined when that cannot be seen from here (another machine). */
  readonly isAlive: boolean | undefined;
}

/** One sentence without a full stop, either way. */
export interface Verdict {
  readonly isHealthy: boolean;
  readonly why: string;
}

/** Status files are written each 5 s. */
export const FRESH_MS = 30_000;
/** A loop tells of its traffic at least each 10 s. */
export const LONGEST_BEAT_MS = 120_000;
/** Peers come and go; a download without any byte for longer serves nobody. */
export const LONGEST_STANDSTILL_MS = 600_000;
/** Nodes of the DHT forget an item after that. */
const POINTER_LIFE_MS = 7_200_000;
/** A first publication takes minutes, and is tried again each five. */
const FIRST_PUBLICATION_MS = 1_800_000;

/** Judges a status that was just read. */
export function judge(status: RunStatus, look: Look): Verdict {
  const gone = whyGone(status, look);
  if (gone !== undefined) return { isHealthy: false, why: gone };
  const ill = (why: string): Verdict => ({ isHealthy: false, why: `${nameOf(status)} ${why}` });
  if (isStuck(status)) {
    return ill(`does nothing: its loop last turned ${ago(status.beatUnixMs!, look)}`);
  }
  if (status.phase === "error") {
    return ill(`is in error: ${status.lastError ?? status.degraded ?? "it does not say why"}`);
  }
  const { nowUnixMs } = look;
  return isServing(status) ? judgeServer(status, nowUnixMs, ill) : judgeFetcher(status, nowUnixMs, ill);
}

/** Why nothing runs that this status is of; undefined when it runs. */
export function whyGone(status: RunStatus, look: Look): string | undefined {
  const name = nameOf(status);
  if (!status.isRunning) {
    const because = status.lastError === undefined ? "" : `: ${status.lastError}`;
    return `${name} ended ${ago(status.updatedUnixMs, look)}${because}`;
  }
  if (look.isAlive === false) return `${name} does not run any more: its process ${status.pid} is gone`;
  // A clock that was set back makes the last word lie ahead; the next one is near.
  if (Math.abs(look.nowUnixMs - status.updatedUnixMs) <= FRESH_MS) return undefined;
  return `${name} hangs or was killed: it last said something ${ago(status.updatedUnixMs, look)}`;
}

/** Whether its process is there and its loop is not. */
export function isStuck({ beatUnixMs, updatedUnixMs }: RunStatus): boolean {
  return beatUnixMs !== undefined && updatedUnixMs - beatUnixMs > LONGEST_BEAT_MS;
}

/** As it is called on the command line. */
export function nameOf({ role }: RunStatus): string {
  return role === "produce" ? "produce seed" : role;
}

/** Whoever seeds does its role, even if the DHT is silent or an update takes its time. */
function judgeServer(status: RunStatus, nowUnixMs: number, ill: (why: string) => Verdict): Verdict {
  const { publication, generation } = status;
  if (publication !== undefined && !publication.isVerified) {
    const { lastUnixMs, lastError } = publication;
    const until = lastUnixMs === undefined
      ? status.startedUnixMs + FIRST_PUBLICATION_MS
      : lastUnixMs + POINTER_LIFE_MS;
    if (nowUnixMs > until) {
      const why = lastError === "" ? "" : `: ${lastError}`;
      return ill(`seeds, but nobody finds it: its pointer is not published${why}`);
    }
  }
  const what = generation?.seq === undefined ? "" : ` seq ${generation.seq}`;
  const but = status.degraded === undefined ? "" : `; ${status.degraded}`;
  return { isHealthy: true, why: `${nameOf(status)} seeds${what}${but}` };
}

/** Whoever has nothing to serve yet must come on. */
function judgeFetcher(status: RunStatus, nowUnixMs: number, ill: (why: string) => Verdict): Verdict {
  const stillMs = nowUnixMs - status.advancedUnixMs;
  if (stillMs > LONGEST_STANDSTILL_MS) {
    const { connections } = status.traffic;
    const why = status.degraded ?? `${connections} ${connections === 1 ? "connection" : "connections"}`;
    return ill(
      `has nothing to serve and has not come on for ${
        formatSeconds(stillMs / 1000)
      } (${status.phase}, ${why})`,
    );
  }
  return { isHealthy: true, why: `${nameOf(status)} is on its way (${status.phase})` };
}

function ago(unixMs: number, { nowUnixMs }: Look): string {
  return `${formatSeconds(Math.max(0, nowUnixMs - unixMs) / 1000)} ago`;
}

function isServing(status: RunStatus): boolean {
  return status.role !== "get" && (status.phase === "seeding" || status.generation?.isServed === true);
}
