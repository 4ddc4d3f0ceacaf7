// What a line does so that others find it and reach it, besides announcing: the router passes its port on, the local
// network hears of its torrents, and whether strangers can come in is said. And its limits follow the time of day.

import { OperationFailed } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatRate } from "../format.ts";
import { isLoopback } from "../endpoint.ts";
import type { TokenBucket } from "../torrent/token_bucket.ts";
import { Lsd, type LsdOptions } from "./lsd.ts";
import type { LineMachine } from "./machine.ts";
import { keepPortMapped } from "./port_mapping.ts";
import { Reachability } from "./reachability.ts";
import { minuteOfDay, type Rates, ratesAt, type ScheduleWindow } from "./schedule.ts";

/** What the user says about it. */
export interface OutreachSettings {
  /** Ask the router to pass our port on; no when undefined. */
  readonly portMapping?: boolean;
  /** Look for peers in the local network, and be found there; no when undefined. */
  readonly lsd?: boolean;
  /** Whether to say to everybody who can reach us, as those do that serve for long. */
  readonly saysReachability?: boolean;
  /** Other limits at some hours. */
  readonly schedule?: readonly ScheduleWindow[];
}

export interface OutreachOptions {
  readonly machine: LineMachine;
  readonly settings: OutreachSettings;
  readonly port: number;
  /** Whether UDP is on that port, too. */
  readonly udp: boolean;
  /** Addresses that we listen on; empty means all. */
  readonly bind: readonly string[];
  readonly report: Report;
}

export class Outreach implements AsyncDisposable {
  /** undefined where it is not used. */
  lsd: Lsd | undefined;
  readonly #options: OutreachOptions;
  readonly #stop = new AbortController();
  readonly #reachability: Reachability;
  readonly #tasks: Promise<void>[] = [];
  /** What the buckets are set to, by the hour and otherwise; undefined where nothing ever changes them. */
  #rates: { schedule: readonly ScheduleWindow[]; usual: Rates } | undefined;
  #ratesChanged = new AbortController();

  constructor(options: OutreachOptions) {
    this.#options = options;
    const { machine: { clock }, settings, port, udp, report } = options;
    const isSaid = settings.saysReachability === true;
    this.#reachability = new Reachability({ port, udp, nowMs: clock.nowMs(), isSaid, report });
  }

  /** Somebody has connected to us. */
  onIncoming(host: string): void {
    this.#reachability.onIncoming(host);
  }

  /** Begins. @param buckets What a schedule changes, and what holds outside of it. */
  async open(
    buckets: {
      readonly up: TokenBucket | undefined;
      readonly down: TokenBucket | undefined;
      readonly usual: Rates;
      /** Whether `changeRates` may be called. */
      readonly isChangeable?: boolean;
    },
  ) {
    const { bind, settings } = this.#options;
    const { schedule = [] } = settings;
    if (schedule.length > 0 || buckets.isChangeable === true) {
      this.#rates = { schedule, usual: buckets.usual };
      this.#tasks.push(this.#keepToSchedule(buckets));
    }
    // Who listens to this machine only wants nobody else.
    if (bind.length > 0 && bind.every(isLoopback)) return;
    this.#tasks.push(this.#watch());
    const isEverywhere = bind.length === 0 || bind.includes("::") || bind.includes("0.0.0.0");
    const host = isEverywhere
      ? undefined
      : bind.find((address) => !address.includes(":") && !isLoopback(address));
    const hasIpv4 = isEverywhere || host !== undefined;
    this.#mapPort(host, hasIpv4);
    // One address of several does not say by which interface IPv6 is to go.
    const ipv6 = bind.length === 0 || bind.includes("::");
    if (settings.lsd === true && (hasIpv4 || ipv6)) {
      await this.#openLsd({ ipv4: hasIpv4 ? { on: host } : undefined, ipv6 });
    }
  }

  /** From now on these hold. */
  changeRates(rates: { readonly schedule: readonly ScheduleWindow[]; readonly usual: Rates }): void {
    this.#rates = rates;
    this.#ratesChanged.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#ratesChanged.abort();
    await Promise.all(this.#tasks);
    await this.lsd?.[Symbol.asyncDispose]();
  }

  #mapPort(host: string | undefined, hasIpv4: boolean): void {
    const { machine, settings, port, udp } = this.#options;
    const { surroundings } = machine;
    if (settings.portMapping !== true || surroundings === undefined) {
      return this.#reachability.onNoMapping("no router was asked to pass its port on");
    }
    if (!hasIpv4) return this.#reachability.onNoMapping("it listens on IPv6 only, which routers do not map");
    const onOutcome = this.#reachability.onMapping.bind(this.#reachability);
    this.#tasks.push(
      keepPortMapped({ ...machine, surroundings, port, udp, bind: host, onOutcome }, this.#stop.signal),
    );
  }

  async #openLsd(families: Pick<LsdOptions, "ipv4" | "ipv6">): Promise<void> {
    const { machine, port, report } = this.#options;
    const { surroundings } = machine;
    if (surroundings === undefined) return;
    try {
      this.lsd = await Lsd.open({ ...machine, surroundings, port, ...families });
    } catch (error) {
      if (!(error instanceof OperationFailed)) throw error;
      report({ kind: "note", level: "debug", logger: "mirror.session", text: error.message });
    }
  }

  async #watch(): Promise<void> {
    const { clock } = this.#options.machine;
    while (!this.#stop.signal.aborted) {
      this.#reachability.tick(clock.nowMs());
      await clock.sleep(WATCH_MS, this.#stop.signal);
    }
  }

  async #keepToSchedule({ up, down, usual }: Parameters<Outreach["open"]>[0]): Promise<void> {
    const { machine: { clock }, report } = this.#options;
    let before = { rates: usual, usual };
    while (!this.#stop.signal.aborted) {
      const now = this.#rates!;
      const rates = ratesAt(now.schedule, minuteOfDay(clock.unixMs()), now.usual);
      if (rates.up !== before.rates.up || rates.down !== before.rates.down) {
        up?.change(rates.up ?? Infinity, clock.nowMs());
        down?.change(rates.down ?? Infinity, clock.nowMs());
        const [out, into] = [rates.up, rates.down].map((rate) =>
          rate === undefined ? "no limit" : formatRate(rate)
        );
        const text = `By the schedule from now on: ${out} up, ${into} down`;
        // Whoever changes what is usual says so.
        const isByHour = rates !== now.usual || before.rates !== before.usual;
        if (isByHour) report({ kind: "note", level: "info", logger: "mirror.session", text });
      }
      before = { rates, usual: now.usual };
      this.#ratesChanged = new AbortController();
      await clock.sleep(SCHEDULE_MS, this.#ratesChanged.signal);
    }
  }
}

const WATCH_MS = 60_000;
/** So late may a change be. A clock that is set, and summer time, need nothing more. */
const SCHEDULE_MS = 5_000;
