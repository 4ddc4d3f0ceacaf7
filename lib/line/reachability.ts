// Whether others can reach us, said plainly: as soon as the router has answered, when the first stranger has come in, and
// once when none has for long. A core: it is told what happened and when.
//
//   unknown --> reachable     the router passes our port on and has an address of its own outside, or somebody came in
//      |--> unreachable       nobody came in for half an hour --> reachable

import { isLocal } from "../address.ts";
import type { Report } from "../events.ts";
import type { MappingOutcome } from "./port_mapping.ts";

export interface ReachabilityOptions {
  readonly port: number;
  readonly udp: boolean;
  readonly nowMs: number;
  /** Whoever serves for long says it to everybody; a short run only to who looks closely. */
  readonly isSaid: boolean;
  readonly report: Report;
}

export class Reachability {
  readonly #options: ReachabilityOptions;
  #isReachable: boolean | undefined;
  #sawStranger = false;
  readonly #startedMs: number;

  constructor(options: ReachabilityOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs;
  }

  /** undefined while that is not known. */
  get isReachable(): boolean | undefined {
    return this.#isReachable;
  }

  /** The router has answered, or there is none that would. */
  onMapping(outcome: MappingOutcome): void {
    const { port } = this.#options;
    if (outcome.kind === "refused") {
      if (this.#sawStranger) return this.#note(`The router does not pass port ${port} on: ${outcome.why}`);
      return this.#note(
        `It is not known yet whether others can reach this machine: the router was asked to pass port ${port} on to ` +
          `it, and ${outcome.why}. ${this.#advice}`,
      );
    }
    const { by, outside } = outcome;
    if (outside === undefined || isLocal(outside) || outside === "0.0.0.0") {
      const where = outside === undefined ? "" : `, but its own address ${outside} is not a public one`;
      return this.#note(
        `The router passes port ${port} on to this machine (${by})${where}: others reach it only if what is before ` +
          `that router passes the port on too`,
      );
    }
    this.#note(
      `Others can reach this machine: the router passes port ${port} of ${outside} on to it (${by})`,
    );
    this.#tell(true);
  }

  /** Nobody asks a router. @param why For people. */
  onNoMapping(why: string): void {
    this.#note(`It is not known yet whether others can reach this machine: ${why}. ${this.#advice}`);
  }

  /** Somebody has connected to us and asked for something that we have. */
  onIncoming(host: string): void {
    if (this.#sawStranger || isLocal(host) || host.startsWith("fe80:")) return;
    this.#sawStranger = true;
    if (this.#isReachable !== true) this.#note(`Others can reach this machine: ${host} has connected to it`);
    this.#tell(true);
  }

  /** Now and then. */
  tick(nowMs: number): void {
    if (this.#isReachable !== undefined || nowMs - this.#startedMs < PATIENCE_MS) return;
    const minutes = PATIENCE_MS / 60_000;
    this.#note(
      `Nobody has connected to this machine for ${minutes} minutes: it gives to those only whom it finds. ${this.#advice}`,
    );
    this.#tell(false);
  }

  get #advice(): string {
    const { port, udp } = this.#options;
    return `If it is behind a router, forward ${
      udp ? "TCP and UDP" : "TCP"
    } port ${port} to it there, and let a ` +
      `firewall pass that port`;
  }

  #tell(isReachable: boolean): void {
    if (isReachable === this.#isReachable) return;
    this.#isReachable = isReachable;
    this.#options.report({ kind: "facts", facts: { isReachable } });
  }

  #note(text: string): void {
    const level = this.#options.isSaid ? "info" : "debug";
    this.#options.report({ kind: "note", level, logger: "mirror.session", text });
  }
}

/** A swarm announces itself at once, and busy ones dial within minutes; a quiet one may take longer. */
const PATIENCE_MS = 1_800_000;
