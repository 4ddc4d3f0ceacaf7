// The DHT nodes of a command that publishes and ends: the one that puts, and the stranger that reads back. Both are
// read-only (BEP 43): noted in others' tables they would be dead within seconds, and libtorrent waits 15 s for each.
// It notes whoever puts all the same, so that node's id is far from the target, where those who read never ask.

import { DhtNode } from "../dht/dht_node.ts";
import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { isIpv4 } from "../address.ts";
import { UsageError } from "../errors.ts";
import type { Clock, Endpoint, Net, Random } from "../ports.ts";

export interface PublisherDhtOptions {
  /** Of the publishing node; 0 takes a free one. */
  readonly port: number;
  /** The first IPv4 address is used; empty means every address of this machine. */
  readonly bind: readonly string[];
  /** What will be put to: 20 bytes. */
  readonly target: Uint8Array;
  /** undefined: the public routers. */
  readonly bootstrap: readonly Endpoint[] | undefined;
}

export class PublisherDht implements AsyncDisposable {
  readonly node: DhtNode;
  readonly #open: (port: number) => Promise<DhtNode>;

  private constructor(node: DhtNode, open: (port: number) => Promise<DhtNode>) {
    this.node = node;
    this.#open = open;
  }

  /** @throws {PortTaken} When another program has the port. @throws {UsageError} Without an IPv4 address. */
  static async open(
    { net, clock, random }: { readonly net: Net; readonly clock: Clock; readonly random: Random },
    { port, bind, target, bootstrap = PUBLIC_ROUTERS }: PublisherDhtOptions,
  ): Promise<PublisherDht> {
    const host = bind.length === 0 ? "0.0.0.0" : bind.find(isIpv4);
    if (host === undefined) {
      throw new UsageError(
        `Cannot use the DHT on ${bind.join(", ")}: it needs IPv4, so add --bind with an IPv4 address`,
      );
    }
    const open = async (port: number, nodeId?: Uint8Array) =>
      DhtNode.open({
        nodeId,
        udp: await net.openUdp({ host, port }),
        clock,
        resolve: (name) => net.resolve(name),
        bootstrap,
        readOnly: true,
      });
    return new PublisherDht(await open(port, farFrom(target, random)), open);
  }

  /** A node that shares nothing with the publishing one but its routers; the caller closes it. */
  openReader(): Promise<DhtNode> {
    return this.#open(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node.close();
  }
}

/** An id at the other end of the id space. @returns 20 bytes. */
function farFrom(target: Uint8Array, random: Random): Uint8Array {
  const id = random.bytes(target.length);
  for (let i = 0; i < FAR_BYTES; i++) id[i] = ~target[i]!;
  return id;
}

/** As many as no other node shares by chance. */
const FAR_BYTES = 4;
