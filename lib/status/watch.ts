// A run that others can look at: while it lasts, status.json in the directory that it holds says every few seconds what
// it does, and its metrics are served. Neither can end it: what fails is told once.

import { join } from "node:path";
import { utf8 } from "../bytes.ts";
import { formatEndpoint } from "../endpoint.ts";
import { PortTaken, SnapError } from "../errors.ts";
import type { Report, RunEvent } from "../events.ts";
import type { Clock, Endpoint, Files, Net } from "../ports.ts";
import { HttpServer } from "./http_server.ts";
import { Monitor, type RunIdentity } from "./monitor.ts";
import { pageOf } from "./pages.ts";
import { statusJson } from "./run_status.ts";

/** Its name in `.nano-snap`. */
export const STATUS_FILE = "status.json";

/** What watching needs of the machine. */
export interface WatchMachine {
  readonly clock: Clock;
  readonly files: Files;
  readonly net: Pick<Net, "listenTcp">;
  /** This process, and the computer that its number counts on. */
  readonly pid: number;
  readonly hostName: string;
}

export interface WatchOptions {
  readonly role: RunIdentity["role"];
  readonly version: string;
  readonly machine: WatchMachine;
  /** Where metrics are served; undefined for nowhere. */
  readonly metrics: Endpoint | undefined;
  /** Takes every event of the run after us, and what we have to say ourselves. */
  readonly report: Report;
}

/**
 * Runs a job under our eyes. From the moment that it tells its `directory` until it tells that it has none, status.json
 * is kept there; it should enter "stopped" or "error" before that, so that its last word is true.
 */
export async function watch<T>(options: WatchOptions, run: (report: Report) => Promise<T>): Promise<T> {
  await using watcher = new Watcher(options);
  return await run(watcher.report);
}

class Watcher implements AsyncDisposable {
  readonly #options: WatchOptions;
  readonly #monitor: Monitor;
  readonly #stop = new AbortController();
  #ticking: Promise<void> | undefined;
  #server: HttpServer | undefined;
  #path: string | undefined;
  #hasComplained = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { role, version, machine: { pid, hostName, clock } } = options;
    this.#monitor = new Monitor({ role, version, pid, hostName }, clock);
  }

  readonly report: Report = (event) => {
    this.#monitor.take(event);
    this.#options.report(event);
    if (event.kind === "facts" && "directory" in event.facts) this.#move(event.facts.directory);
    else if (event.kind === "phase") this.#write(true);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server?.[Symbol.asyncDispose]();
    await this.#ticking;
  }

  /** Only the holder of a directory may write there, and only one instance shall have the port. */
  #move(directory: string | undefined): void {
    if (directory === undefined) {
      this.#write(false);
      this.#path = undefined;
      return;
    }
    this.#path = join(directory, STATUS_FILE);
    this.#server ??= this.#serve();
    this.#write(true);
    this.#ticking ??= this.#tickForEver();
  }

  async #tickForEver(): Promise<void> {
    const { clock } = this.#options.machine;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleep(WRITE_MS, signal);
      if (!signal.aborted) this.#write(true);
    }
  }

  #write(isRunning: boolean): void {
    if (this.#path === undefined) return;
    try {
      const text = JSON.stringify(statusJson(this.#status(isRunning)), null, 2) + "\n";
      this.#options.machine.files.replace(this.#path, utf8(text));
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      if (!this.#hasComplained) this.#warn(`${error.message}: whoever looks at this run sees an old status`);
      this.#hasComplained = true;
    }
  }

  #serve(): HttpServer | undefined {
    const { metrics: at, machine } = this.#options;
    if (at === undefined) return undefined;
    try {
      const server = new HttpServer({
        ...machine,
        at,
        page: (path) => pageOf(path, this.#status(true)),
      });
      this.#note("info", `Metrics at http://${formatEndpoint(server.local)}/metrics`);
      return server;
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      const why = error instanceof PortTaken
        ? `another program has ${formatEndpoint(at)}; --metrics-port takes another port`
        : error.message;
      this.#warn(`No metrics are served: ${why}`);
      return undefined;
    }
  }

  #status(isRunning: boolean) {
    const server = this.#server;
    const metricsUrl = server === undefined ? undefined : `http://${formatEndpoint(server.local)}`;
    return this.#monitor.status({ isRunning, metricsUrl });
  }

  #warn(text: string): void {
    this.#note("warning", text);
  }

  #note(level: "info" | "warning", text: string): void {
    const logger = this.#options.role === "produce" ? "producer.seeder" : "mirror.watcher";
    const event: RunEvent = { kind: "note", level, logger, text };
    this.#options.report(event);
  }
}

/** A health check calls a run silent after 30 s. */
const WRITE_MS = 5_000;
