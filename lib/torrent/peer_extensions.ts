// The extension protocol of one connection (BEP 10): what we say in it, what the peer said of itself so far, and each
// of its messages as a checked value. Who hears of those is peer_core.ts's.
//
// A peer is sent only what it gave an id for (PEX, from pex.ts, too); what we gave it no id for is its fault.

import { WireFault } from "../errors.ts";
import {
  encodeExtensionHandshake,
  encodeMetadata,
  type ExtensionHandshake,
  type MetadataMessage,
  OUR_EXTENSIONS,
  parseDontHave,
  parseExtensionHandshake,
  parseMetadata,
  parsePex,
  parseUploadOnly,
  type PexPeer,
} from "./extension.ts";
import { MAX_PEX_PER_MINUTE, MAX_REQUESTS_HELD } from "./limits.ts";
import type { Introduction } from "./peer_owner.ts";
import type { WireWriter } from "./wire.ts";

/** A message of the peer. What is in it may be a view of the message: it lives as long as that does. */
export type ExtensionMessage =
  /** `latest` is what this handshake says by itself; all of them together are in `theirs`. */
  | { readonly kind: "handshake"; readonly latest: ExtensionHandshake; readonly theirs: ExtensionHandshake }
  | { readonly kind: "metadata"; readonly message: MetadataMessage }
  | { readonly kind: "pex"; readonly peers: readonly PexPeer[] }
  | { readonly kind: "upload-only"; readonly uploadOnly: boolean }
  /** The piece may be any number. */
  | { readonly kind: "dont-have"; readonly piece: number };

/** Both directions of it; nothing here is per block. */
export class PeerExtensions {
  readonly #out: WireWriter;
  #theirs: ExtensionHandshake | undefined;
  #pexMinuteMs = 0;
  #pexCount = 0;

  /** @param out Where ours are written. */
  constructor(out: WireWriter) {
    this.#out = out;
  }

  /** What the peer says of itself, all its handshakes together; undefined before the first. */
  get theirs(): ExtensionHandshake | undefined {
    return this.#theirs;
  }

  /** Our handshake: right after BEP 3's, when the peer speaks the extension protocol. */
  sayHandshake({ client, listenPort, torrent, here }: Introduction): void {
    const dict = encodeExtensionHandshake({
      client,
      requestQueue: MAX_REQUESTS_HELD,
      port: listenPort,
      metadataSize: torrent?.metadataSize,
      uploadOnly: here?.isFull === true ? true : undefined,
    });
    this.#out.extended(0, dict);
  }

  /** We have everything now (BEP 21). Nothing is sent to a peer that does not take it. */
  sayUploadOnly(): void {
    const id = this.#theirs?.ids.upload_only ?? 0;
    if (id !== 0) this.#out.extended(id, UPLOAD_ONLY);
  }

  /** @returns Whether the peer takes ut_metadata (BEP 9). */
  sendMetadata(message: Parameters<typeof encodeMetadata>[0]): boolean {
    const id = this.#theirs?.ids.ut_metadata ?? 0;
    if (id === 0) return false;
    this.#out.extended(id, encodeMetadata(message));
    return true;
  }

  /**
   * Reads a message. undefined: a handshake that is no dictionary, which is ignored.
   *
   * @throws {WireFault} When it is malformed, of no extension that we offered, or more PEX than anybody needs.
   */
  read(extension: number, payload: Uint8Array, nowMs: number): ExtensionMessage | undefined {
    switch (extension) {
      case 0: {
        const latest = parseExtensionHandshake(payload);
        if (latest === undefined) return undefined;
        // Later handshakes add to earlier ones (BEP 10).
        const ids = { ...this.#theirs?.ids, ...latest.ids };
        const theirs = { ...this.#theirs, ...definedOnly(latest), ids } as ExtensionHandshake;
        this.#theirs = theirs;
        return { kind: "handshake", latest, theirs };
      }
      case OUR_EXTENSIONS.ut_metadata:
        return { kind: "metadata", message: parseMetadata(payload) };
      case OUR_EXTENSIONS.ut_pex:
        this.#countPex(nowMs);
        return { kind: "pex", peers: parsePex(payload) };
      case OUR_EXTENSIONS.upload_only:
        return { kind: "upload-only", uploadOnly: parseUploadOnly(payload) };
      case OUR_EXTENSIONS.lt_donthave:
        return { kind: "dont-have", piece: parseDontHave(payload) };
      default:
        throw new WireFault("BEP 10", `extension ${extension} was not offered`);
    }
  }

  #countPex(nowMs: number): void {
    if (nowMs - this.#pexMinuteMs > 60_000) {
      this.#pexMinuteMs = nowMs;
      this.#pexCount = 0;
    }
    if (++this.#pexCount > MAX_PEX_PER_MINUTE) throw new WireFault("BEP 11", "more PEX than allowed");
  }
}

function definedOnly<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<T>;
}

const UPLOAD_ONLY = Uint8Array.of(1);
