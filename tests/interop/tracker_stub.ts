// Trackers on loopback, by HTTP and by UDP, read and written by hand from BEP 3, 15, 23 and 41: nothing of our own
// codecs is on their side. They keep who announced what, and name everybody to everybody, the asker too.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { within } from "./support.ts";

/** One announce as it came. Hashes and ids in hex. */
export interface Heard {
  readonly infoHash: string;
  readonly peerId: string;
  readonly event: string;
  readonly port: number;
  readonly key: string;
  readonly left: number;
  readonly downloaded: number;
  readonly uploaded: number;
  readonly numWant: number;
  readonly atMs: number;
}

export abstract class TrackerStub implements AsyncDisposable {
  abstract readonly url: string;
  readonly heard: Heard[] = [];
  readonly #swarms = new Map<string, Set<number>>();
  readonly #listeners = new Set<() => void>();

  /** The first announce, past or future, of which that holds. */
  async announced(matches: Partial<Heard>, deadlineMs = 20_000): Promise<Heard> {
    const find = () =>
      this.heard.find((one) =>
        Object.entries(matches).every(([name, value]) => one[name as keyof Heard] === value)
      );
    const found = new Promise<Heard>((resolve) => {
      const look = () => {
        const one = find();
        if (one === undefined) return;
        this.#listeners.delete(look);
        resolve(one);
      };
      this.#listeners.add(look);
      look();
    });
    return await within(found, deadlineMs, `announce ${JSON.stringify(matches)}`, () => this.#said());
  }

  /** The events under one hash from everybody but the port given, in order. */
  eventsOf(infoHash: string | null | undefined, exceptPort: number | undefined): string[] {
    return this.heard.filter((one) => one.infoHash === infoHash?.slice(0, 40) && one.port !== exceptPort)
      .map((one) => one.event);
  }

  abstract [Symbol.asyncDispose](): Promise<void>;

  /** Keeps it. @returns The ports of its swarm on 127.0.0.1, compact. */
  protected hear(one: Omit<Heard, "atMs">): Uint8Array {
    this.heard.push({ ...one, atMs: performance.now() });
    const ports = this.#swarms.get(one.infoHash) ?? new Set();
    this.#swarms.set(one.infoHash, ports);
    if (one.event === "stopped") ports.delete(one.port);
    else ports.add(one.port);
    for (const listener of [...this.#listeners]) listener();
    return Uint8Array.from([...ports].flatMap((port) => [127, 0, 0, 1, port >> 8, port & 0xff]));
  }

  #said(): string {
    return `\n  heard: ${JSON.stringify(this.heard)}`;
  }
}

/** Answers compact, as most trackers do; with `listed` with dictionaries, as BEP 3 has it. */
export class HttpTrackerStub extends TrackerStub {
  readonly url: string;
  /** Request targets as they came. */
  readonly targets: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(options: { readonly listed?: boolean } = {}) {
    super();
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      const target = request.url.slice(request.url.indexOf("/", 8));
      this.targets.push(target);
      const words = new Map(
        target.slice(target.indexOf("?") + 1).split("&").map((pair) =>
          pair.split("=", 2) as [string, string]
        ),
      );
      const number = (name: string) => Number(words.get(name) ?? Number.NaN);
      const peers = this.hear({
        infoHash: hexOfEscaped(words.get("info_hash") ?? ""),
        peerId: hexOfEscaped(words.get("peer_id") ?? ""),
        event: words.get("event") ?? "",
        port: number("port"),
        key: (words.get("key") ?? "").toLowerCase(),
        left: number("left"),
        downloaded: number("downloaded"),
        uploaded: number("uploaded"),
        numWant: number("numwant"),
      });
      return new Response(options.listed === true ? listedReply(peers) : compactReply(peers));
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}/announce`;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Hands out a connection id and takes no announce without it. */
export class UdpTrackerStub extends TrackerStub {
  readonly url: string;
  /** What BEP 41 carried in each announce. */
  readonly urlData: string[] = [];
  readonly #socket: Socket;
  readonly #id = crypto.getRandomValues(new Uint8Array(8));

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.url = `udp://127.0.0.1:${socket.address().port}/announce`;
    socket.on("message", (bytes, from) => {
      const reply = this.#reply(new Uint8Array(bytes));
      if (reply !== undefined) socket.send(reply, from.port, from.address);
    });
  }

  static async start(): Promise<UdpTrackerStub> {
    return new UdpTrackerStub(await openUdp());
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await closeUdp(this.#socket);
  }

  #reply(bytes: Uint8Array): Uint8Array | undefined {
    const view = new DataView(bytes.buffer);
    const transaction = bytes.subarray(12, 16);
    if (bytes.length === 16 && view.getBigUint64(0) === 0x41727101980n && view.getUint32(8) === 0) {
      return Uint8Array.of(0, 0, 0, 0, ...transaction, ...this.#id);
    }
    if (bytes.length < 98 || view.getUint32(8) !== 1) return undefined;
    if (!this.#id.every((byte, i) => bytes[i] === byte)) {
      return Uint8Array.of(
        0,
        0,
        0,
        3,
        ...transaction,
        ...new TextEncoder().encode("Connection ID missmatch."),
      );
    }
    this.urlData.push(new TextDecoder().decode(bytes.subarray(100, 100 + (bytes[99] ?? 0))));
    const peers = this.hear({
      infoHash: hex(bytes.subarray(16, 36)),
      peerId: hex(bytes.subarray(36, 56)),
      downloaded: Number(view.getBigUint64(56)),
      left: Number(view.getBigUint64(64)),
      uploaded: Number(view.getBigUint64(72)),
      event: ["", "completed", "started", "stopped"][view.getUint32(80)] ?? "?",
      key: hex(bytes.subarray(88, 92)),
      numWant: view.getInt32(92),
      port: view.getUint16(96),
    });
    // Interval 1800, no leecher and one seeder, whatever is true.
    return Uint8Array.of(0, 0, 0, 1, ...transaction, 0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, ...peers);
  }
}

/** A UDP port that takes everything and says nothing. */
export class SilentUdp implements AsyncDisposable {
  readonly url: string;
  /** Resolves at the first datagram with its time. */
  readonly asked: Promise<number>;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.url = `udp://127.0.0.1:${socket.address().port}/announce`;
    this.asked = new Promise((resolve) => socket.once("message", () => resolve(performance.now())));
  }

  static async start(): Promise<SilentUdp> {
    return new SilentUdp(await openUdp());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeUdp(this.#socket);
  }
}

async function openUdp(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

async function closeUdp(socket: Socket): Promise<void> {
  const closed = once(socket, "close");
  socket.close();
  await closed;
}

function compactReply(peers: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...ascii(`d8:intervali1800e5:peers${peers.length}:`), ...peers, ...ascii("e"));
}

function listedReply(peers: Uint8Array): Uint8Array<ArrayBuffer> {
  let list = "";
  for (let at = 0; at < peers.length; at += 6) {
    const port = peers[at + 4]! * 256 + peers[at + 5]!;
    list += `d2:ip9:127.0.0.17:peer id20:${"x".repeat(20)}4:porti${port}ee`;
  }
  return Uint8Array.of(...ascii(`d8:intervali1800e5:peersl${list}ee`));
}

/** Percent-encoded bytes as hex; what is not escaped stands for itself. */
function hexOfEscaped(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})|([\s\S])/g, (_, escaped: string | undefined, plain: string) => {
    return (escaped ?? plain.charCodeAt(0).toString(16).padStart(2, "0")).toLowerCase();
  });
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
