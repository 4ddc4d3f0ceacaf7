// What a run shows over HTTP: its metrics, two probes, and its whole status.

import { isStuck } from "./health.ts";
import type { Page } from "./http_server.ts";
import { METRICS_TYPE, metricsText } from "./metrics.ts";
import { isReady, type RunStatus, statusJson } from "./run_status.ts";

/** The page of a path, made of one moment; undefined when there is none. */
export function pageOf(path: string, status: RunStatus): Page | undefined {
  switch (path) {
    case "/metrics":
      return { status: 200, type: METRICS_TYPE, body: metricsText(status) };
    // Who hangs answers nothing at all; this finds the loop that ended while the rest lives on.
    case "/healthz":
      return isStuck(status) ? text(503, "its loop does not turn") : text(200, "ok");
    case "/readyz":
      return isReady(status) ? text(200, "ready") : text(503, `not ready: ${whyNot(status)}`);
    case "/status":
      return {
        status: 200,
        type: "application/json",
        body: JSON.stringify(statusJson(status), null, 2) + "\n",
      };
    case "/":
      return text(200, "/metrics /healthz /readyz /status");
    default:
      return undefined;
  }
}

function whyNot({ phase, publication }: RunStatus): string {
  return phase === "seeding" && publication !== undefined ? "its pointer is not published yet" : phase;
}

function text(status: Page["status"], line: string): Page {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n` };
}
