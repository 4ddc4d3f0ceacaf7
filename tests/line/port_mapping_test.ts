// The driver on virtual time, against a router that is written after RFC 6886 and UPnP's Internet Gateway Device. A real
// one (miniupnpd) is asked in tests/interop/router_test.ts.

import assert from "node:assert/strict";
import { keepPortMapped, type MappingOutcome } from "../../lib/line/port_mapping.ts";
import type { Endpoint, HttpStreams, Net, Surroundings } from "../../lib/ports.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

const ROUTER = "10.0.0.1";
const PORT = 6881;

/** What a router does; each order is drawn: "+tcp 3600", "-udp". */
class Router {
  readonly clock = new VirtualClock();
  readonly orders: string[] = [];
  readonly outcomes: MappingOutcome[] = [];

  constructor(
    readonly speaks: { pmp?: boolean; upnp?: boolean },
    readonly manners: {
      otherPort?: number;
      onlyPermanent?: boolean;
      refusesAfter?: number;
      lifetime?: number;
    } = {},
  ) {}

  /** Runs for so long, then stops. @returns How long the end took. */
  async run(ms: number): Promise<number> {
    const stop = new AbortController();
    let isOver = false;
    const { clock } = this;
    const running = keepPortMapped({
      clock,
      net: this.#net as Net,
      http: this.#http,
      surroundings: this.#surroundings,
      port: PORT,
      udp: true,
      bind: undefined,
      onOutcome: (outcome) => this.outcomes.push(outcome),
    }, stop.signal).finally(() => isOver = true);
    await clock.run(() => isOver, ms);
    const beganMs = clock.nowMs();
    stop.abort();
    await clock.run(() => isOver, ms + 100_000);
    await running;
    return clock.nowMs() - beganMs;
  }

  readonly #surroundings: Surroundings = {
    gateway: () => ROUTER,
    addressTowards: () => Promise.resolve("10.0.0.2"),
    joinGroup: () => assert.fail("not needed"),
    ipv6Addresses: () => assert.fail("not needed"),
  };

  readonly #net: Partial<Net> = {
    openUdp: (at) => {
      let receive: (bytes: Uint8Array, from: Endpoint) => void = () => {};
      const answer = (bytes: Uint8Array, from: Endpoint) =>
        void this.clock.at(this.clock.nowMs() + 20, () => receive(bytes, from));
      return Promise.resolve({
        local: at,
        onDatagram: (to) => receive = to,
        close: () => Promise.resolve(),
        send: (bytes, to) => {
          if (to.port === 5351 && to.host === ROUTER && this.speaks.pmp === true) {
            // A stranger's and a torn one first: neither may end anything.
            answer(new Uint8Array(1), to);
            answer(this.#pmp(bytes), { host: "10.0.0.66", port: 5351 });
            answer(this.#pmp(bytes, true), to);
          }
          if (to.port === 1900 && this.speaks.upnp === true) {
            const st = /\r\nST: (\S+)/.exec(new TextDecoder().decode(bytes))![1];
            const text = `HTTP/1.1 200 OK\r\nST: ${st}\r\nLOCATION: http://${ROUTER}:5000/d.xml\r\n\r\n`;
            answer(new TextEncoder().encode(text), { host: ROUTER, port: 1900 });
          }
        },
      });
    },
  };

  #pmp(question: Uint8Array, counts = false): Uint8Array {
    const asked = new DataView(question.buffer);
    if (question.length === 2) return Uint8Array.of(0, 128, 0, 0, 0, 0, 0, 1, 11, 22, 33, 44);
    const lifetime = asked.getUint32(8);
    const which = question[1] === 2 ? "tcp" : "udp";
    if (counts) this.orders.push(lifetime === 0 ? `-${which}` : `+${which} ${lifetime}`);
    const answer = new DataView(new ArrayBuffer(16));
    answer.setUint8(1, 128 + question[1]!);
    const isRefused = this.orders.length > (this.manners.refusesAfter ?? Infinity) && lifetime > 0;
    answer.setUint16(2, isRefused ? 4 : 0);
    answer.setUint16(8, asked.getUint16(4));
    answer.setUint16(10, this.manners.otherPort ?? asked.getUint16(6));
    answer.setUint32(12, lifetime === 0 ? 0 : this.manners.lifetime ?? lifetime);
    return new Uint8Array(answer.buffer);
  }

  readonly #http: HttpStreams = {
    open: (url, { body, headers = {} }) => {
      let status = 200;
      let text = "";
      if (body === undefined) {
        assert.equal(url, `http://${ROUTER}:5000/d.xml`);
        text = "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>" +
          "<controlURL>/ctl</controlURL></service>";
      } else {
        assert.equal(url, `http://${ROUTER}:5000/ctl`);
        const order = new TextDecoder().decode(body);
        const arg = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(order)?.[1] ?? "";
        const which = arg("NewProtocol").toLowerCase();
        if (headers["soapaction"]!.includes("#Add")) {
          assert.equal(arg("NewInternalClient"), "10.0.0.2");
          if (this.manners.onlyPermanent === true && arg("NewLeaseDuration") !== "0") {
            [status, text] = [500, "<errorCode>725</errorCode>"];
          } else this.orders.push(`+${which} ${arg("NewLeaseDuration")}`);
        } else if (headers["soapaction"]!.includes("#Delete")) this.orders.push(`-${which}`);
        else text = "<NewExternalIPAddress>11.22.33.44</NewExternalIPAddress>";
      }
      const chunks = [new TextEncoder().encode(text)].values();
      const read = () => Promise.resolve(chunks.next().value ?? null);
      return Promise.resolve({ status, headers: new Map(), read, close: () => {} });
    },
  };
}

Deno.test("keepPortMapped() maps by NAT-PMP, renews at half of the time, and takes both back at the end", async () => {
  const router = new Router({ pmp: true, upnp: true });
  const endMs = await router.run(4_000_000);
  assert.deepEqual(router.outcomes, [{ kind: "mapped", by: "NAT-PMP", outside: "11.22.33.44" }]);
  const once = ["+tcp 3600", "+udp 3600"];
  assert.deepEqual(router.orders, [...once, ...once, ...once, "-tcp", "-udp"]);
  assert.ok(endMs <= 2000, `${endMs}`);
});

Deno.test("keepPortMapped() turns to UPnP where NAT-PMP is not answered", async () => {
  const router = new Router({ upnp: true });
  await router.run(60_000);
  assert.deepEqual(router.outcomes, [{ kind: "mapped", by: "UPnP", outside: "11.22.33.44" }]);
  assert.deepEqual(router.orders, ["+tcp 3600", "+udp 3600", "-tcp", "-udp"]);
});

Deno.test("keepPortMapped() takes a mapping without an end from a router that knows no other, and removes it", async () => {
  const router = new Router({ upnp: true }, { onlyPermanent: true });
  await router.run(60_000);
  assert.deepEqual(router.orders, ["+tcp 0", "+udp 0", "-tcp", "-udp"]);
});

Deno.test("keepPortMapped() gives another port back and says so: what is announced must be true", async () => {
  const router = new Router({ pmp: true }, { otherPort: 7000 });
  await router.run(60_000);
  assert.deepEqual(router.orders, ["+tcp 3600", "-tcp"]);
  assert.deepEqual(router.outcomes, [{
    kind: "refused",
    why: "by NAT-PMP it gives port 7000 instead of 6881; choose another with --port",
  }]);
});

Deno.test("keepPortMapped() asks again in a quarter of an hour where nobody answers, and says so once", async () => {
  const router = new Router({});
  const endMs = await router.run(3_000_000);
  assert.deepEqual(router.outcomes, [{
    kind: "refused",
    why: "no router here takes orders by NAT-PMP or UPnP",
  }]);
  assert.ok(endMs <= 2000, `${endMs}`);
});

Deno.test("keepPortMapped() is not driven by a router that gives seconds, and tells when it says no later", async () => {
  const router = new Router({ pmp: true }, { lifetime: 1, refusesAfter: 4 });
  await router.run(600_000);
  assert.deepEqual(router.outcomes.map(({ kind }) => kind), ["mapped", "refused"]);
  assert.ok(router.orders.length <= 8, router.orders.join());
  assert.deepEqual(router.orders.slice(-2), ["-tcp", "-udp"]);
});
