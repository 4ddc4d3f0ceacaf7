// Datagrams between scripted nodes in one process. They are strangers made of bytes: each answers with what the test
// says, and none of our own code is on their side but the bencoder, which has tests of its own.

import { type BDict, decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { formatEndpoint } from "../../lib/endpoint.ts";
import type { Endpoint, UdpSocket } from "../../lib/ports.ts";

type Receive = (bytes: Uint8Array, from: Endpoint) => void;

export class FakeNet {
  readonly #receivers = new Map<string, Receive>();
  /** Datagrams sent so far, by receiver. */
  readonly sent: { readonly to: Endpoint; readonly bytes: Uint8Array }[] = [];

  open(local: Endpoint): UdpSocket {
    return {
      local,
      onDatagram: (receive) => void this.#receivers.set(formatEndpoint(local), receive),
      send: (bytes, to) => this.deliver(bytes, local, to),
      close: () => {
        this.#receivers.delete(formatEndpoint(local));
        return Promise.resolve();
      },
    };
  }

  /** In order, and never inside the sender's call. */
  deliver(bytes: Uint8Array, from: Endpoint, to: Endpoint): void {
    this.sent.push({ to, bytes });
    queueMicrotask(() => this.#receivers.get(formatEndpoint(to))?.(bytes, from));
  }

  /** A node that answers each query with what `answer` makes of it; undefined stays silent. */
  addNode(node: FakeNode): void {
    const socket = this.open(node);
    socket.onDatagram((bytes, from) => {
      const query = decodeDict(bytes, { mode: "lenient" });
      const method = new TextDecoder().decode(query.bytes("q"));
      const body = node.answer(method, query.dict("a")!, from);
      if (body === undefined) return;
      const t = query.bytes("t")!;
      // As libtorrent's: an error carries `r` as well.
      const refusal = body["e"];
      const message = refusal === undefined
        ? { t, y: "r", r: { id: node.id, ...body } }
        : { t, y: "e", e: refusal, r: { id: node.id } };
      socket.send(encode(message), from);
    });
  }
}

export interface FakeNode extends Endpoint {
  readonly id: Uint8Array;
  /** The members of `r`; one called `e` makes the answer an error with that list. */
  readonly answer: (
    method: string,
    args: BDict,
    from: Endpoint,
  ) => { readonly [key: string]: Encodable | undefined } | undefined;
}

/** `nodes` of a reply. */
export function compact(nodes: readonly { id: Uint8Array; host: string; port: number }[]): Uint8Array {
  return Uint8Array.from(nodes.flatMap(({ id, host, port }) => [
    ...id,
    ...host.split(".").map(Number),
    port >> 8,
    port & 0xff,
  ]));
}
