// The DHT nodes of a producer: the one that publishes, and the strangers that read back.

import { DhtNode } from "../dht/dht_node.ts";
import { PUBLIC_ROUTERS } from "../dht/routers.ts";
import { isIpv4 } from "../address.ts";
import { UsageError } from "../errors.ts";
import type { Clock, Endpoint, Net } from "../ports.ts";

export interface PublisherDhtOptions {
  /** Of the publishing node; 0 takes a free one. */
  readonly port: number;
  /** The first IPv4 address is used; empty means every address of this machine. */
  readonly bind: readonly string[];
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
    { net, clock }: { readonly net: Net; readonly clock: Clock },
    { port, bind, bootstrap = PUBLIC_ROUTERS }: PublisherDhtOptions,
  ): Promise<PublisherDht> {
    const host = bind.length === 0 ? "0.0.0.0" : bind.find(isIpv4);
    if (host === undefined) {
      throw new UsageError(
        `Cannot use the DHT on ${bind.join(", ")}: it needs IPv4, so add --bind with an IPv4 address`,
      );
    }
    const open = async (port: number) =>
      DhtNode.open({
        udp: await net.openUdp({ host, port }),
        clock,
        resolve: (name) => net.resolve(name),
        bootstrap,
      });
    return new PublisherDht(await open(port), open);
  }

  /** A node that shares nothing with the publishing one but its routers; the caller closes it. */
  openReader(): Promise<DhtNode> {
    return this.#open(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node.close();
  }
}
