// A DHT of our own nodes in one process: the real nodes, on whatever sockets and clock they are given. Where an item
// lies is seen by asking the members nearest to its target one by one, as often as it takes: not by what a put says.

import { decodeDict, encode } from "../../lib/bencode.ts";
import { equalBytes, utf8 } from "../../lib/bytes.ts";
import type { Contact } from "../../lib/dht/contact.ts";
import { DhtNode } from "../../lib/dht/dht_node.ts";
import { publicKeyOf, type SignedItem, signItem, targetOf } from "../../lib/dht/signature.ts";
import { compareDistance } from "../../lib/dht/walk.ts";
import type { Clock, Endpoint, UdpSocket } from "../../lib/ports.ts";

const SEED = new Uint8Array(32).fill(7);
/** Those that newcomers are told of. */
const ROUTERS = 3;
/** Between two that join: a router answers a hundred questions a second. */
const JOIN_MS = 50;
/** For the one question that `copies` asks again and again. */
const ASK_AGAIN_MS = 200;
const MOST_TIMES_ASKED = 50;

export interface CrowdOptions {
  readonly count: number;
  readonly openUdp: () => Promise<UdpSocket>;
  readonly clock: Clock;
  /** 0 up to but not 1. */
  readonly random: () => number;
}

export class DhtCrowd implements AsyncDisposable {
  readonly publicKey = publicKeyOf(SEED);
  readonly #options: CrowdOptions;
  readonly #members: { readonly node: DhtNode; readonly contact: Contact }[] = [];

  private constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** One after the other joins, knowing nobody but the first few. */
  static async gather(options: CrowdOptions): Promise<DhtCrowd> {
    const crowd = new DhtCrowd(options);
    for (let number = 0; number < options.count; number++) {
      crowd.#members.push(await crowd.#open(false));
      await options.clock.sleep(JOIN_MS);
    }
    return crowd;
  }

  /** Somebody who knows the routers and nothing else, and is known to nobody. The caller closes it. */
  async newcomer(): Promise<DhtNode> {
    return (await this.#open(true)).node;
  }

  /** Signed by the crowd's authority. */
  item(stream: string, seq: number): SignedItem {
    const unsigned = { salt: utf8(stream), seq, value: utf8(`20:${String(seq).padStart(20, "x")}`) };
    return { ...unsigned, publicKey: this.publicKey, signature: signItem(SEED, unsigned) };
  }

  /** Among the `count` members nearest to where the item belongs: how many hold exactly it. */
  async copies(item: SignedItem, count: number): Promise<number> {
    const target = targetOf(item.publicKey, item.salt);
    const nearest = this.#members.map(({ contact }) => contact)
      .sort((a, b) => compareDistance(target, a.id, b.id)).slice(0, count);
    const udp = await this.#options.openUdp();
    const said = new Map<string, boolean>();
    udp.onDatagram((bytes, from) => {
      const body = decodeDict(bytes, { mode: "lenient" }).dict("r");
      const value = body?.raw("v");
      const holds = body?.int("seq") === item.seq && value !== undefined && equalBytes(value, item.value);
      said.set(`${from.host}:${from.port}`, holds);
    });
    const question = encode({ t: "cc", y: "q", q: "get", a: { id: new Uint8Array(20), target }, ro: 1 });
    for (let times = 0; said.size < count; times++) {
      if (times === MOST_TIMES_ASKED) throw new Error(`${said.size} of ${count} members answer`);
      for (const { host, port } of nearest) {
        if (!said.has(`${host}:${port}`)) udp.send(question, { host, port });
      }
      await this.#options.clock.sleep(ASK_AGAIN_MS);
    }
    await udp.close();
    return [...said.values()].filter(Boolean).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ node }) => node.close()));
  }

  async #open(readOnly: boolean): Promise<{ node: DhtNode; contact: Contact }> {
    const { openUdp, clock, random } = this.#options;
    const udp = await openUdp();
    const nodeId = Uint8Array.from({ length: 20 }, () => Math.floor(random() * 256));
    const bootstrap: Endpoint[] = this.#members.slice(0, ROUTERS).map(({ contact }) => contact);
    const resolve = (host: string) => Promise.resolve([host]);
    const node = DhtNode.open({ udp, clock, resolve, bootstrap, nodeId, readOnly });
    return { node, contact: { id: nodeId, host: udp.local.host, port: udp.local.port } };
  }
}

/**
 * A socket whose datagrams are lost on their way out with a probability.
 *
 * @param options.incoming On their way in, too: for a socket among others that lose nothing.
 */
export function lossy(
  udp: UdpSocket,
  { loss, random, incoming = false }: { loss: number; random: () => number; incoming?: boolean },
): UdpSocket {
  const isLost = () => random() < loss;
  return {
    local: udp.local,
    onDatagram: (receive) =>
      udp.onDatagram((bytes, from) => incoming && isLost() ? undefined : receive(bytes, from)),
    send: (bytes, to) => isLost() ? undefined : udp.send(bytes, to),
    close: () => udp.close(),
  };
}

/** How lookups and puts went in a crowd. */
export interface CrowdReport {
  /** Of each lookup, sorted: until it had the newest item; undefined where it never had. */
  readonly foundMs: readonly (number | undefined)[];
  /** The same until the lookup was over. */
  readonly endMs: readonly number[];
  /** Of each put: how many of the eight nearest have the item now, and whether a stranger found it. */
  readonly puts: readonly { readonly copies: number; readonly isReadBack: boolean }[];
}

/**
 * An item is put, and a newer one at half of those that hold it; then newcomers look for the newest, ten at a time.
 * After that other items are put, each read back by a stranger.
 */
export async function live(
  crowd: DhtCrowd,
  { clock, lookups, puts }: { clock: Clock; lookups: number; puts: number },
): Promise<CrowdReport> {
  const signal = new AbortController().signal;
  const put = async (item: SignedItem) => {
    await using node = await crowd.newcomer();
    await node.put({ item, signal });
  };
  const [older, newest] = [crowd.item("daily", 5), crowd.item("daily", 6)];
  {
    await using node = await crowd.newcomer();
    const { holders } = await node.getItem({ ...older, signal });
    await node.put({ item: older, holders, signal });
    await node.put({ item: newest, holders: holders.slice(0, holders.length / 2), signal });
  }
  const look = async (item: SignedItem) => {
    await using node = await crowd.newcomer();
    const fromMs = clock.nowMs();
    let foundMs: number | undefined;
    const onItem = ({ seq }: SignedItem) => {
      if (seq === item.seq) foundMs = clock.nowMs() - fromMs;
    };
    await node.getItem({ ...item, signal, onItem });
    return { foundMs, endMs: clock.nowMs() - fromMs };
  };
  const looks: Awaited<ReturnType<typeof look>>[] = [];
  while (looks.length < lookups) {
    const some = Math.min(AT_ONCE, lookups - looks.length);
    looks.push(...await Promise.all(Array.from({ length: some }, () => look(newest))));
  }
  const reports: CrowdReport["puts"][number][] = [];
  for (let number = 0; number < puts; number++) {
    const item = crowd.item(`stream ${number}`, 1);
    await put(item);
    const { foundMs } = await look(item);
    reports.push({ copies: await crowd.copies(item, 8), isReadBack: foundMs !== undefined });
  }
  const byTime = (a = Infinity, b = Infinity) => a === b ? 0 : a - b;
  return {
    foundMs: looks.map(({ foundMs }) => foundMs).sort(byTime),
    endMs: looks.map(({ endMs }) => endMs).sort(byTime),
    puts: reports,
  };
}

const AT_ONCE = 10;
