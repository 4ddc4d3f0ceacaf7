// A machine for announcers without a network: time that jumps, chance that counts, HTTP that answers what the test
// says, and datagrams between scripted sockets.

import { OperationFailed } from "../../lib/errors.ts";
import type { Clock, Endpoint, HttpClient, HttpResponse, Net, Random } from "../../lib/ports.ts";
import { FakeNet } from "../dht/fake_net.ts";
import { FakeClock } from "../snapshot/fakes.ts";

/** What a scripted HTTP tracker does with a request. "silent": nothing until the request's time is up. */
export type HttpAnswer = { readonly status?: number; readonly text: string } | "silent" | "refused";

export class TrackerWorld {
  readonly clock: Clock = new FakeClock();
  readonly udp = new FakeNet();
  /** Every URL that was got, with the time in ms. */
  readonly got: { readonly url: URL; readonly atMs: number; readonly from?: string | undefined }[] = [];
  /** Names -> addresses; what is not here stands for itself if it is an address. */
  readonly names = new Map<string, string[]>();
  onHttp: (url: URL, nowMs: number) => HttpAnswer = () => "refused";
  #count = 0;
  #ports = 40_000;

  readonly random: Random = {
    bytes: (length) => new Uint8Array(length).map(() => this.#count = (this.#count * 5 + 113) % 256),
  };

  readonly net: Net = {
    listenTcp: unused,
    dialTcp: unused,
    openUdp: ({ host }) => {
      const ours = host === "0.0.0.0" ? "198.51.100.1" : host === "::" ? "2001:db8::1" : host;
      return Promise.resolve(this.udp.open({ host: ours, port: this.#ports++ }));
    },
    resolve: (host) => {
      const literal = /^[\d.]+$|:/.test(host) ? [host] : [];
      return Promise.resolve(this.names.get(host) ?? literal);
    },
  };

  readonly http: HttpClient = {
    get: async (text, { timeoutMs, signal, from }): Promise<HttpResponse> => {
      const url = new URL(text);
      this.got.push({ url, atMs: this.clock.nowMs(), from });
      const answer = this.onHttp(url, this.clock.nowMs());
      if (answer === "silent") await this.clock.sleep(timeoutMs, signal);
      if (typeof answer === "string") throw new OperationFailed(`Cannot get from ${url.host}: ${answer}`);
      const body = new TextEncoder().encode(answer.text);
      return { status: answer.status ?? 200, headers: new Map(), body };
    },
  };

  /** "host event" of each HTTP announce so far; "-" where there is none. */
  get said(): string[] {
    return this.got.map(({ url }) => `${url.host} ${url.searchParams.get("event") ?? "-"}`);
  }

  /** A UDP tracker that answers with what `answer` makes of a packet; undefined stays silent. */
  addUdpTracker(
    at: Endpoint,
    answer: (packet: Uint8Array, nowMs: number) => Uint8Array | undefined,
  ): { readonly packets: { readonly bytes: Uint8Array; readonly atMs: number }[] } {
    const packets: { bytes: Uint8Array; atMs: number }[] = [];
    const socket = this.udp.open(at);
    socket.onDatagram((bytes, from) => {
      packets.push({ bytes, atMs: this.clock.nowMs() });
      const reply = answer(bytes, this.clock.nowMs());
      if (reply !== undefined) socket.send(reply, from);
    });
    return { packets };
  }
}

function unused(): never {
  throw new Error("an announcer does not need this");
}
