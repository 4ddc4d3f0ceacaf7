// The DHT node: npm:bittorrent-dht answers others, keeps the routing table and matches answers to questions; this
// driver gives it a guarded socket, and does our own lookups by the rules of walk.ts. Nothing else in the program
// knows the package. IPv4 only, as the package is.

import { Buffer } from "node:buffer";
import type { Encodable } from "../bencode.ts";
import { formatEndpoint } from "../endpoint.ts";
import type { Clock, Endpoint, Net, UdpSocket } from "../ports.ts";
import { isIpv4, isWorthAsking } from "../address.ts";
import { type Contact, parsePeer } from "./contact.ts";
import type { Packet, Refusal, Reply } from "./guard.ts";
import { ItemAnswers } from "./item_answers.ts";
import { NodePool } from "./node_pool.ts";
import { cancelQuery, createNpmDht, type NpmDht } from "./npm_dht.ts";
import { PackageSocket, type PacketCounts } from "./package_socket.ts";
import { Routers } from "./routers.ts";
import { type Holder, type PutAnswer, putItem, type PutOptions } from "./put.ts";
import { type SignedItem, targetOf, verifySignature } from "./signature.ts";
import { traverse } from "./traversal.ts";
import { NEAREST, Walk } from "./walk.ts";

export interface DhtOptions {
  /** The node's from here on: it receives on it, and `close` closes it. */
  readonly udp: UdpSocket;
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  readonly resolve: Net["resolve"];
  /** Routers: where a lookup begins that knows fewer than eight nodes. Names are resolved in the background. */
  readonly bootstrap: readonly Endpoint[];
  /** What `nodes()` gave in an earlier run. */
  readonly cachedNodes?: readonly Contact[] | undefined;
  /** 20 bytes; by default random. */
  readonly nodeId?: Uint8Array | undefined;
  /** BEP 43: for a node that is gone in a minute. Others do not note it, and it answers nobody. */
  readonly readOnly?: boolean;
  /** After this long without an answer a node counts as dead for a lookup; after half of it it is asked again. */
  readonly timeoutMs?: number;
}

/** How a lookup went. */
export interface LookupEnd {
  /** Nodes that answered. */
  readonly answers: number;
  /** Whether the eight nearest nodes each answered or timed out; false when aborted or when nobody answered. */
  readonly finished: boolean;
  /**
   * The eight nearest nodes that answered and gave a token: where to store or announce. Routers are left out, except
   * in a network so small that fewer than eight others gave one.
   */
  readonly holders: readonly Holder[];
}

export interface LookupResult extends LookupEnd {
  /** The verified item with the highest seq. */
  readonly item: SignedItem | undefined;
  /** Nodes that returned exactly that item. */
  readonly copies: number;
  /** Whether two different values are signed with that seq. */
  readonly conflict: boolean;
  /** Answers whose item was not the authority's. */
  readonly forged: number;
}

export interface PeersResult extends LookupEnd {
  readonly peers: readonly Endpoint[];
}

export interface AnnounceResult extends PeersResult {
  /** Nodes that took the announcement. */
  readonly stored: number;
}

export interface PeerLookupOptions {
  readonly signal: AbortSignal;
  /** Each peer once, as it becomes known. */
  readonly onPeer?: (peer: Endpoint) => void;
}

export class DhtNode implements AsyncDisposable {
  readonly #socket: PackageSocket;
  readonly #dht: NpmDht;
  readonly #routers: Routers;
  readonly #pool = new NodePool();
  readonly #closing = new AbortController();
  readonly #awaitingFirst = new Set<() => void>();
  #pings = 0;
  #closed: Promise<void> | undefined;

  /** Begins to answer others and to look for its neighbours at once; does not wait for either. */
  static open(options: DhtOptions): DhtNode {
    const node = new DhtNode(options);
    void node.#lookup("find_node", "target", node.#dht.nodeId, node.#closing.signal, () => {});
    return node;
  }

  private constructor(options: DhtOptions) {
    const nowMs = () => options.clock.nowMs();
    this.#routers = new Routers({ names: options.bootstrap, resolve: options.resolve, nowMs });
    this.#socket = new PackageSocket(options.udp, {
      clock: options.clock,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      onSilence: (transaction) => cancelQuery(this.#dht, transaction),
      afterQuery: (packet) => this.#leaveOutReadOnly(packet),
      readOnly: options.readOnly ?? false,
    });
    this.#dht = createNpmDht({
      socket: this.#socket,
      ...(options.nodeId === undefined ? {} : { nodeId: Buffer.from(options.nodeId) }),
      bootstrap: false,
      verify: verifySignature,
      maxPeers: MAX_PEERS_STORED,
      maxAge: PEER_LIFETIME_MS,
    });
    this.#dht.on("error", () => {}); // The socket's own; ours has none.
    this.#dht.listen();
    for (const contact of (options.cachedNodes ?? []).slice(0, MAX_CACHED_NODES)) {
      if (isIpv4(contact.host) && contact.id.length === this.#dht.nodeId.length) {
        this.#pool.addHearsay(contact);
      }
    }
  }

  /** 20 bytes. */
  get id(): Uint8Array {
    return new Uint8Array(this.#dht.nodeId);
  }

  /** Nodes known to live. */
  get nodeCount(): number {
    return this.#pool.heardCount;
  }

  get packetCounts(): Readonly<PacketCounts> {
    return this.#socket.counts;
  }

  /** For the routing cache: at most 200, those that answered last first. */
  nodes(): Contact[] {
    return this.#pool.latest(MAX_CACHED_NODES);
  }

  /** Resolves with true once any node has answered, with false when the signal aborts or the node closes. */
  ready(signal: AbortSignal): Promise<boolean> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    if (this.nodeCount > 0) return Promise.resolve(true);
    if (stop.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (ready: boolean) => {
        this.#awaitingFirst.delete(onFirst);
        stop.removeEventListener("abort", onStop);
        resolve(ready);
      };
      const onFirst = () => end(true);
      const onStop = () => end(false);
      this.#awaitingFirst.add(onFirst);
      stop.addEventListener("abort", onStop);
    });
  }

  /**
   * Looks for a mutable item. An aborted lookup resolves with what it has.
   *
   * @param options.publicKey 32 bytes. `salt`: at most 64.
   * @param options.onItem Called at once for each verified item that is newer than the ones before.
   */
  async getItem(options: {
    readonly publicKey: Uint8Array;
    readonly salt: Uint8Array;
    readonly signal: AbortSignal;
    readonly onItem?: (item: SignedItem) => void;
  }): Promise<LookupResult> {
    const found = new ItemAnswers(options);
    const target = targetOf(options.publicKey, options.salt);
    const end = await this.#lookup("get", "target", target, options.signal, (reply) => {
      if (found.take(reply.body)) options.onItem?.(found.best!);
    });
    return { ...end, item: found.best, copies: found.copies, conflict: found.conflict, forged: found.forged };
  }

  /**
   * Puts a signed item, byte for byte, to the given holders (a lookup's), or to those that a fresh one finds; then
   * asks each whether it has it now. Nothing is put after an unfinished lookup of its own.
   *
   * @returns One answer per holder, nearest first; those of an aborted put are "silent".
   * @throws {RangeError} When a bound of `SignedItem` does not hold. The signature is the caller's to check.
   */
  async put({ item, holders, signal }: {
    readonly item: SignedItem;
    readonly holders?: readonly Holder[];
    readonly signal: AbortSignal;
  }): Promise<PutAnswer[]> {
    const to = holders ?? await this.#holdersOf(item, signal);
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    const ask: PutOptions["ask"] = (endpoint, method, args) =>
      stop.aborted ? Promise.resolve(undefined) : this.#askOnce(endpoint, method, args);
    return await Promise.all(to.map((holder) => putItem({ item, holder, ask })));
  }

  /** Looks for peers of a torrent. @param infoHash 20 bytes: v1, or v2 cut short. */
  async getPeers(infoHash: Uint8Array, { signal, onPeer }: PeerLookupOptions): Promise<PeersResult> {
    const peers = new Map<string, Endpoint>();
    const end = await this.#lookup("get_peers", "info_hash", infoHash, signal, (reply, from) => {
      for (const peer of peersOf(reply, from)) {
        const key = formatEndpoint(peer);
        if (peers.has(key) || peers.size >= MAX_PEERS_PER_LOOKUP) continue;
        peers.set(key, peer);
        onPeer?.(peer);
      }
    });
    return { ...end, peers: [...peers.values()] };
  }

  /**
   * Looks for peers, then tells the eight nearest nodes that we are one.
   *
   * @param port Where we take TCP connections. With `implied` nodes note the port that our datagrams come from.
   */
  async announce(
    infoHash: Uint8Array,
    port: number,
    options: PeerLookupOptions & { readonly implied?: boolean },
  ): Promise<AnnounceResult> {
    const found = await this.getPeers(infoHash, options);
    const args = { info_hash: infoHash, port, implied_port: options.implied === true ? 1 : 0 };
    const answers = await Promise.all(
      found.holders.map((holder) =>
        options.signal.aborted
          ? undefined
          : this.#askOnce(holder, "announce_peer", { ...args, token: holder.token })
      ),
    );
    return { ...found, stored: answers.filter((answer) => answer?.kind === "reply").length };
  }

  /** Tries a node that a peer told us of (BEP 5's PORT message); lost when many are being tried. */
  async tryNode(endpoint: Endpoint): Promise<void> {
    if (this.#pings >= MAX_PINGS || !isIpv4(endpoint.host)) return;
    this.#pings++;
    await this.#askOnce(endpoint, "ping", {});
    this.#pings--;
  }

  /** Ends all lookups, closes the socket, and leaves no timer behind. Safe twice. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#closing.abort();
      this.#dht.destroy(resolve);
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One walk to `target`, which the method's arguments call `field`. */
  async #lookup(
    method: string,
    field: string,
    target: Uint8Array,
    signal: AbortSignal,
    onReply: (reply: Reply, from: Endpoint) => void,
  ): Promise<LookupEnd> {
    const walk = new Walk({ target, ownId: this.#dht.nodeId });
    const seeds = this.#seedsFor(target);
    const { finished, silent } = await traverse({
      walk,
      seeds,
      routers: this.#routers,
      ask: (to, done) =>
        this.#ask(
          to,
          method,
          { [field]: target },
          (answer) => done(answer?.kind === "reply" ? answer : undefined),
        ),
      onReply,
      signal: AbortSignal.any([signal, this.#closing.signal]),
    });
    // When nobody answered, it is our own line that is dead.
    if (walk.answers > 0) this.#forget(seeds, silent);
    return { answers: walk.answers, finished, holders: this.#holdersIn(walk) };
  }

  #holdersIn(walk: Walk): Holder[] {
    const all = walk.nearestWithToken();
    const others = all.filter((node) => !this.#routers.has(node));
    return (others.length < NEAREST ? all : others).slice(0, NEAREST);
  }

  async #holdersOf({ publicKey, salt }: SignedItem, signal: AbortSignal): Promise<readonly Holder[]> {
    const { finished, holders } = await this.getItem({ publicKey, salt, signal });
    return finished ? holders : [];
  }

  #seedsFor(target: Uint8Array): Contact[] {
    const seeds = new Map<string, Contact>();
    for (const contact of this.#pool.closest(target, MAX_SEEDS)) seeds.set(formatEndpoint(contact), contact);
    for (const contact of this.#dht.nodes.closest(target, MAX_SEEDS)) {
      const key = formatEndpoint(contact);
      if (!seeds.has(key)) seeds.set(key, { id: contact.id, host: contact.host, port: contact.port });
    }
    return [...seeds.values()];
  }

  #forget(seeds: readonly Contact[], silent: ReadonlySet<string>): void {
    const isSilent = (contact: Contact) => silent.has(formatEndpoint(contact));
    this.#pool.forget(isSilent);
    for (const { id } of seeds.filter(isSilent)) this.#dht.removeNode(Buffer.from(id));
  }

  #askOnce(to: Endpoint, method: string, args: Arguments): Promise<Reply | Refusal | undefined> {
    return new Promise((resolve) => this.#ask(to, method, args, resolve));
  }

  #ask(
    to: Endpoint,
    method: string,
    args: Arguments,
    done: (answer: Reply | Refusal | undefined) => void,
  ): void {
    if (this.#closing.signal.aborted) return done(undefined);
    const { host, port } = to;
    const all = { id: new Uint8Array(this.#dht.nodeId), ...args };
    const onEnd = (error: { readonly code?: unknown } | null) => {
      // A refusal's error has its number. One without, or with a name, is a timeout or the end of this node.
      const heard = error === null || typeof error.code === "number" ? this.#socket.current : undefined;
      const answer = heard?.kind === "query" ? undefined : heard;
      if (answer?.kind === "reply") this.#hear({ host, port, id: answer.id.slice() });
      done(answer);
    };
    this.#socket.asking(all, () => this.#dht._rpc.socket.query({ host, port }, { q: method, a: {} }, onEnd));
  }

  #hear(contact: Contact): void {
    this.#pool.heard(contact);
    for (const onFirst of [...this.#awaitingFirst]) onFirst();
  }

  /** The package puts everyone who asks into its table; a read-only node would never answer from there. */
  #leaveOutReadOnly(packet: Packet): void {
    if (packet.kind === "query" && packet.readOnly) this.#dht.removeNode(Buffer.from(packet.id));
  }
}

type Arguments = Readonly<Record<string, Encodable>>;

function peersOf(reply: Reply, from: Endpoint): Endpoint[] {
  const values = reply.body.get("values");
  const compact: Uint8Array[] = [];
  if (values instanceof Uint8Array) {
    for (let at = 0; at < values.length; at += 6) compact.push(values.subarray(at, at + 6));
  } else {
    for (const value of reply.body.list("values") ?? []) if (value instanceof Uint8Array) compact.push(value);
  }
  return compact.map(parsePeer).filter((peer) => peer !== undefined).filter((peer) =>
    isWorthAsking(peer, from)
  );
}

/** Nine of ten nodes that answer at all do so within it; libtorrent opens another slot after the same time. */
const DEFAULT_TIMEOUT_MS = 1000;
const MAX_CACHED_NODES = 200;
/** Begin with twice the eight, so that dead ones among them cost nothing. */
const MAX_SEEDS = 16;
/** More than any session dials. */
const MAX_PEERS_PER_LOOKUP = 2000;
/** Announced to us by others, over all torrents; six bytes and some overhead each. */
const MAX_PEERS_STORED = 2000;
/** As libtorrent's: three announces missed. */
const PEER_LIFETIME_MS = 45 * 60 * 1000;
const MAX_PINGS = 16;
