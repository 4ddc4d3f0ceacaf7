// A connection that does nothing but ask for hashes (BEP 52).

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { encodeHandshake } from "../../lib/torrent/handshake.ts";
import { type HashSpan, ID, WireWriter } from "../../lib/torrent/wire.ts";
import { WireReader } from "../../lib/torrent/wire_reader.ts";
import { within } from "./support.ts";

export class Asker implements AsyncDisposable {
  readonly #conn: Deno.TcpConn;
  readonly #waiting = new Map<string, (hashes: Uint8Array | undefined) => void>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #reading: Promise<void>;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** Connects and waits until the seed has said that it has everything. */
  static async dial(seed: { readonly port: number }, infoHash: Uint8Array): Promise<Asker> {
    const asker = new Asker(await Deno.connect({ hostname: "127.0.0.1", port: seed.port }));
    const peerId = new TextEncoder().encode("-NS0001-hashes-test-");
    await asker.#conn.write(encodeHandshake({
      extended: false,
      fast: true,
      dht: false,
      upgrade: false,
      infoHash: infoHash.subarray(0, 20),
      peerId,
    }));
    await within(asker.#ready.promise, 10_000, "have all from the seed");
    return asker;
  }

  async ask(request: HashSpan): Promise<Uint8Array> {
    const answer = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting.set(nameOf(request), answer.resolve);
    const out = new WireWriter();
    out.hashSpan(ID.hashRequest, request);
    await this.#conn.write(out.take()!);
    const hashes = await within(answer.promise, 10_000, `hashes for ${nameOf(request)}`);
    assert.ok(hashes !== undefined, `${nameOf(request)} is rejected`);
    return hashes;
  }

  async #read(): Promise<void> {
    const nothing = () => {};
    const handler = {
      onHaveAll: () => this.#ready.resolve(),
      onHashes: (span: HashSpan, hashes: Uint8Array) => this.#waiting.get(nameOf(span))?.(hashes.slice()),
      onHashReject: (span: HashSpan) => this.#waiting.get(nameOf(span))?.(undefined),
    };
    const reader = new WireReader({
      onHandshake: nothing,
      onKeepAlive: nothing,
      onChoke: nothing,
      onUnchoke: nothing,
      onInterested: nothing,
      onNotInterested: nothing,
      onHave: nothing,
      onBitfield: nothing,
      onRequest: nothing,
      onPiece: nothing,
      onCancel: nothing,
      onPort: nothing,
      onSuggest: nothing,
      onHaveNone: nothing,
      onReject: nothing,
      onAllowedFast: nothing,
      onExtended: nothing,
      onHashRequest: nothing,
      ...handler,
    });
    for (;;) {
      const count = await this.#conn.read(reader.space).catch(() => null);
      if (count === null) return;
      reader.advance(count);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }
}

function nameOf({ root, base, index, count, proofLayers }: HashSpan): string {
  return `${toHex(root.subarray(0, 4))} base ${base} index ${index} count ${count} layers ${proofLayers}`;
}
