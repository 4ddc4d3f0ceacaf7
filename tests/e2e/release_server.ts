// A release on a server of our own, as the installer and `nano-snap upgrade` meet it: whole, cut, signed, or wrong.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Certificate } from "./tls.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A server of one release: path -> bytes, or how it fails. It remembers what was asked for. */
export class Release implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #files = new Map<string, Bytes>();
  readonly #cut = new Set<string>();
  readonly #redirects = new Map<string, string>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #isSecure: boolean;

  /** @param certificate With it the server speaks https, and is called localhost. */
  constructor(certificate?: Certificate) {
    this.#isSecure = certificate !== undefined;
    const tls = certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key };
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...tls }, (request) => {
      const { pathname } = new URL(request.url);
      this.asked.push(pathname);
      const elsewhere = this.#redirects.get(pathname);
      if (elsewhere !== undefined) return Response.redirect(elsewhere);
      const bytes = this.#files.get(pathname);
      if (bytes === undefined) return new Response("no such file", { status: 404 });
      return this.#cut.has(pathname) ? cutShort(bytes) : new Response(bytes);
    });
  }

  get url(): string {
    const { port } = this.#server.addr;
    return this.#isSecure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  }

  put(path: string, bytes: Uint8Array | string): this {
    this.#files.set(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes.slice());
    return this;
  }

  get(path: string): Bytes {
    return this.#files.get(path)!;
  }

  redirect(path: string, to: string): this {
    this.#redirects.set(path, to);
    return this;
  }

  cut(path: string): this {
    this.#cut.add(path);
    return this;
  }

  /** A whole release under `prefix`: the program, packed and not, and their sums; no signature. */
  putAll(prefix: string, bytes: Uint8Array, asset: string): this {
    const packed = gzipSync(bytes, { level: 1 });
    const sums = `${sha256(bytes)}  ${asset}\n${sha256(packed)} *${asset}.gz\n${"0".repeat(64)}  other\n`;
    return this.put(`${prefix}/${asset}`, bytes).put(`${prefix}/${asset}.gz`, packed)
      .put(`${prefix}/SHA256SUMS`, sums);
  }

  /** Puts a comment with the version before the sums, as a release has it. */
  named(version: string, prefix = ""): this {
    const sums = new TextDecoder().decode(this.get(`${prefix}/SHA256SUMS`));
    return this.put(`${prefix}/SHA256SUMS`, `# nano-snap ${version}\n${sums}`);
  }

  /** Signs the sums as they are now. */
  signed(by: ReleaseKey, prefix = ""): this {
    return this.put(`${prefix}/SHA256SUMS.sig`, by.sign(this.get(`${prefix}/SHA256SUMS`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A key of the tests'. Never the project's. */
export class ReleaseKey {
  readonly #key;
  /** The line of deploy/RELEASE_PUBKEY. */
  readonly line: string;

  /** @param seed Another number is another key. */
  constructor(seed = 1) {
    const der = new Uint8Array([...PKCS8_ED25519, ...new Uint8Array(32).fill(seed)]);
    const base64 = btoa(String.fromCharCode(...der));
    this.#key = createPrivateKey(`-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`);
    const pem = createPublicKey(this.#key).export({ format: "pem", type: "spki" }).toString();
    this.line = pem.split("\n")[1]!;
  }

  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#key);
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Half of what is announced, and then no more. */
function cutShort(bytes: Bytes): Response {
  const body = new ReadableStream<Bytes>({
    start(controller) {
      controller.enqueue(bytes.slice(0, bytes.length >> 1));
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-length": String(bytes.length) } });
}

/** RFC 8410: what stands before the 32 bytes of a private key. */
const PKCS8_ED25519 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
