// The DHT nodes of a command that publishes and ends: the one that puts, and the stranger that reads back. Both are
// read-only (BEP 43): noted in others' tables they would be dead within seconds, and libtorrent waits 15 s for each.
// It notes whoever puts all the same, so that node's id is far from the target, where those who read never ask.

import { DhtNode } from "../dht/dht_node.ts";
import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { isIpv4 } from "../address.ts";
import { UsageError } from "../errors.ts";
import type { Clock, Endpoint, Net, Random } from "../ports.ts";

/** Where and with whom. */
export interface DhtReach {
  /** The first IPv4 address is used; empty means every address of this machine. */
  readonly bind: readonly string[];
  /** undefined: the public routers. */
  readonly bootstrap: readonly Endpoint[] | undefined;
}

export interface PublisherDhtOptions extends DhtReach {
  /** Of the publishing node; 0 takes a free one. */
  readonly port: number;
  /** What will be put to: 20 bytes. */
  readonly target: Uint8Array;
}

interface Sockets {
  readonly net: Net;
  readonly clock: Clock;
}

export class PublisherDht implements AsyncDisposable {
  readonly node: DhtNode;
  readonly #openReader: () => Promise<DhtNode>;

  private constructor(node: DhtNode, openReader: () => Promise<DhtNode>) {
    this.node = node;
    this.#openReader = openReader;
  }

  /** @throws {PortTaken} When another program has the port. @throws {UsageError} Without an IPv4 address. */
  static async open(
    machine: Sockets & { readonly random: Random },
    options: PublisherDhtOptions,
  ): Promise<PublisherDht> {
    const nodeId = farFrom(options.target, machine.random);
    const node = await openReadOnly(machine, options, { port: options.port, nodeId });
    return new PublisherDht(node, () => openReader(machine, options));
  }

  /** As the function of that name, with the publishing node's routers. */
  openReader(): Promise<DhtNode> {
    return this.#openReader();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node.close();
  }
}

/**
 * Opens a node that shares nothing with a publishing one but its routers: own socket, own id, empty memory. The caller
 * closes it.
 *
 * @throws {UsageError} Without an IPv4 address.
 */
export function openReader(machine: Sockets, reach: DhtReach): Promise<DhtNode> {
  return openReadOnly(machine, reach, { port: 0, nodeId: undefined });
}

async function openReadOnly(
  { net, clock }: Sockets,
  { bind, bootstrap = PUBLIC_ROUTERS }: DhtReach,
  { port, nodeId }: { port: number; nodeId: Uint8Array | undefined },
): Promise<DhtNode> {
  const host = bind.length === 0 ? "0.0.0.0" : bind.find(isIpv4);
  if (host === undefined) {
    throw new UsageError(
      `Cannot use the DHT on ${bind.join(", ")}: it needs IPv4, so add --bind with an IPv4 address`,
    );
  }
  const udp = await net.openUdp({ host, port });
  const resolve = (name: string) => net.resolve(name);
  return DhtNode.open({ udp, clock, resolve, bootstrap, nodeId, readOnly: true });
}

/** An id at the other end of the id space. @returns 20 bytes. */
function farFrom(target: Uint8Array, random: Random): Uint8Array {
  const id = random.bytes(target.length);
  for (let i = 0; i < FAR_BYTES; i++) id[i] = ~target[i]!;
  return id;
}

/** As many as no other node shares by chance. */
const FAR_BYTES = 4;
