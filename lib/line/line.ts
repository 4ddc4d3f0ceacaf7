// Our end of the network: the port that peers reach us at (TCP and UDP alike), the DHT node on it, and the session
// that moves the bytes. Opened once per run, before anything is looked for, so that a taken port is told at once.

import { DhtNode } from "../dht/dht_node.ts";
import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { OperationFailed, PortTaken, UsageError } from "../errors.ts";
import type { Report } from "../events.ts";
import type { Endpoint, Net, TcpListener, UdpSocket } from "../ports.ts";
import { readDhtCache, writeDhtCache } from "../snapshot/dht_cache.ts";
import { Session } from "../torrent/session.ts";
import { TokenBucket } from "../torrent/token_bucket.ts";
import type { Lsd } from "./lsd.ts";
import type { LineMachine } from "./machine.ts";
import { Outreach, type OutreachSettings } from "./outreach.ts";

/** Tries to find one number that is free for TCP and for UDP. */
const FREE_PORT_TRIES = 20;

export interface LineOptions extends OutreachSettings {
  /** 0 takes a free one. */
  readonly port: number;
  /** Addresses; empty means every address of this machine, IPv4 and IPv6. */
  readonly bind: readonly string[];
  readonly dht: { readonly enabled: boolean; readonly bootstrap: readonly Endpoint[] | undefined };
  readonly maxPeers: number;
  /** Bytes per second, all torrents together; undefined for no limit. */
  readonly downLimit: number | undefined;
  readonly upLimit: number | undefined;
  /** The same for what web seeds send, besides `downLimit`. */
  readonly webSeedLimit?: number | undefined;
  /** Whether `change` may be called. */
  readonly isChangeable?: boolean;
}

/** What can change while a line is open. */
export type LineLimits = Pick<
  LineOptions,
  "maxPeers" | "downLimit" | "upLimit" | "webSeedLimit" | "schedule"
>;

export class Line implements AsyncDisposable {
  readonly session: Session;
  readonly dht: DhtNode | undefined;
  readonly port: number;
  /** Shared by all torrents; undefined for no limit. */
  readonly upLimit: TokenBucket | undefined;
  readonly downLimit: TokenBucket | undefined;
  readonly webSeedLimit: TokenBucket | undefined;
  /** Keeps the DHT nodes that we know for the next start. */
  readonly saveNodes: () => void;
  readonly #outreach: Outreach;
  readonly #clock: LineMachine["clock"];

  private constructor(
    parts: Pick<
      Line,
      "session" | "dht" | "port" | "upLimit" | "downLimit" | "webSeedLimit" | "saveNodes"
    >,
    outreach: Outreach,
    clock: LineMachine["clock"],
  ) {
    this.#outreach = outreach;
    this.#clock = clock;
    this.session = parts.session;
    this.dht = parts.dht;
    this.port = parts.port;
    this.upLimit = parts.upLimit;
    this.downLimit = parts.downLimit;
    this.webSeedLimit = parts.webSeedLimit;
    this.saveNodes = parts.saveNodes;
  }

  /** Connections at once, now. */
  get maxPeers(): number {
    return this.session.maxPeers;
  }

  /** From now on these hold. Only of a line that was opened as one that changes. */
  change({ maxPeers, downLimit, upLimit, webSeedLimit, schedule = [] }: LineLimits): void {
    this.session.maxPeers = maxPeers;
    this.webSeedLimit?.change(webSeedLimit ?? Infinity, this.#clock.nowMs());
    this.#outreach.changeRates({ schedule, usual: { up: upLimit, down: downLimit } });
  }

  /** Who else in the local network has our torrents; undefined where that is not looked for. */
  get lsd(): Lsd | undefined {
    return this.#outreach.lsd;
  }

  /**
   * @param dhtCache A file: the nodes of the last run, and of this one when it ends.
   * @throws {PortTaken} When another program has the port, naming it.
   * @throws {UsageError} When the DHT is wanted and no IPv4 address is to be used.
   */
  static async open(
    machine: LineMachine,
    dhtCache: string,
    options: LineOptions,
    report: Report,
  ): Promise<Line> {
    const { listeners, udp } = await bindAll(machine, options);
    const port = listeners[0]!.local.port;
    const { clock, net, files } = machine;
    const cache = readDhtCache(files, dhtCache);
    if (cache.warning !== undefined) {
      report({ kind: "note", level: "warning", logger: "mirror.discovery", text: cache.warning });
    }
    const dht = udp && DhtNode.open({
      udp,
      clock,
      resolve: (host) => net.resolve(host),
      bootstrap: options.dht.bootstrap ?? PUBLIC_ROUTERS,
      cachedNodes: cache.value.nodes,
      nodeId: cache.value.nodeId,
    });
    const { schedule = [], isChangeable = false } = options;
    // What a schedule or the user changes must be there, even while there is no limit.
    const bucket = (rate = isChangeable ? Infinity : undefined) =>
      rate === undefined ? undefined : new TokenBucket(rate, clock.nowMs());
    const isDownScheduled = schedule.some(({ down }) => down !== "usual");
    const downLimit = bucket(options.downLimit ?? (isDownScheduled ? Infinity : undefined));
    const upLimit = bucket(options.upLimit ?? (schedule.length === 0 ? undefined : Infinity));
    const webSeedLimit = bucket(options.webSeedLimit);
    const debug = (text: string) => report({ kind: "note", level: "debug", logger: "mirror.session", text });
    for (const { host } of options.dht.enabled ? options.dht.bootstrap ?? PUBLIC_ROUTERS : []) {
      void net.resolve(host).then((addresses) => {
        if (addresses.length > 0) return;
        const text = `Cannot find the address of DHT router ${host}`;
        report({ kind: "note", level: "warning", logger: "mirror.discovery", text });
      });
    }
    const outreach = new Outreach({
      machine,
      settings: options,
      port,
      udp: udp !== undefined,
      bind: options.bind,
      report,
    });
    const session = new Session({
      net,
      clock,
      maxPeers: options.maxPeers,
      downLimit,
      upLimit,
      listeners,
      onIncoming: ({ host }) => outreach.onIncoming(host),
      onClosed: (_peer, why) => debug(why),
      onDialFailed: debug,
    });
    const saveNodes = () => {
      if (dht === undefined || dht.nodeCount === 0) return;
      writeDhtCache(files, dhtCache, dht.id, dht.nodes());
    };
    await outreach.open({
      up: upLimit,
      down: downLimit,
      usual: { up: options.upLimit, down: options.downLimit },
      isChangeable,
    });
    const parts = { session, dht, port, upLimit, downLimit, webSeedLimit, saveNodes };
    return new Line(parts, outreach, clock);
  }

  /** Closes every connection; the nodes that we met are kept for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.saveNodes();
    const unreached = this.#outreach[Symbol.asyncDispose]();
    await this.session[Symbol.asyncDispose]();
    await unreached;
    await this.dht?.close();
  }
}

/**
 * One number for TCP and UDP on every address, so that whoever knows one knows the other. UDP is the DHT's, which is
 * IPv4 here, and uses one socket.
 */
async function bindAll(
  { net }: LineMachine,
  { bind, port, dht }: LineOptions,
): Promise<{ listeners: TcpListener[]; udp: UdpSocket | undefined }> {
  // "::" takes IPv4 as well, on most systems in one socket.
  const isEverywhere = bind.length === 0 || bind.includes(EVERY_IPV6);
  const udpHost = isEverywhere ? EVERY_IPV4 : bind.find((host) => !host.includes(":"));
  if (dht.enabled && udpHost === undefined) {
    throw new UsageError(
      `Cannot use the DHT on ${
        bind.join(", ")
      }: it needs IPv4, so add --bind with an IPv4 address, or --no-dht`,
    );
  }
  for (let tries = 1;; tries++) {
    const listeners: TcpListener[] = [];
    try {
      if (isEverywhere) listenEverywhere(net, port, listeners);
      else {
        for (const host of bind) {
          listeners.push(net.listenTcp({ host, port: listeners[0]?.local.port ?? port }));
        }
      }
      if (!dht.enabled) return { listeners, udp: undefined };
      return { listeners, udp: await net.openUdp({ host: udpHost!, port: listeners[0]!.local.port }) };
    } catch (error) {
      for (const listener of listeners) listener.close();
      const mayTryAnother = port === 0 && error instanceof PortTaken && tries < FREE_PORT_TRIES;
      if (!mayTryAnother) throw error;
    }
  }
}

/** Both families. Where "::" takes IPv4 too, its port is then taken; where IPv6 is off, IPv4 is all there is. */
function listenEverywhere(net: Net, port: number, into: TcpListener[]): void {
  try {
    into.push(net.listenTcp({ host: EVERY_IPV6, port }));
  } catch (error) {
    if (!(error instanceof OperationFailed)) throw error;
  }
  try {
    into.push(net.listenTcp({ host: EVERY_IPV4, port: into[0]?.local.port ?? port }));
  } catch (error) {
    if (into.length === 0 || !(error instanceof PortTaken)) throw error;
  }
}

const EVERY_IPV4 = "0.0.0.0";
const EVERY_IPV6 = "::";
