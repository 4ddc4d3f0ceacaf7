import assert from "node:assert/strict";
import { OperationFailed, PortTaken, UsageError } from "../../lib/errors.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { Line, type LineOptions } from "../../lib/line/line.ts";
import type { Machine } from "../../lib/mirror/machine.ts";
import type { Endpoint, Net, TcpListener } from "../../lib/ports.ts";

/** How a system treats "::" and "0.0.0.0" on one TCP port. */
type System = "both in one" | "each its own" | "no IPv6";

/** Only listens. Every port that it is to find for itself is 4001, then 4002 and so on. */
class ListeningNet {
  readonly open = new Set<string>();
  readonly udp: Endpoint[] = [];
  #ports = 4000;

  constructor(readonly system: System, readonly takenUdp: readonly number[] = []) {}

  listenTcp({ host, port }: Endpoint): TcpListener {
    if (this.system === "no IPv6" && host.includes(":")) throw new OperationFailed("no such address family");
    const local = { host, port: port === 0 ? ++this.#ports : port };
    const rival = this.system === "both in one" && host === "0.0.0.0" ? `:: ${local.port}` : undefined;
    const key = `${host} ${local.port}`;
    if (this.open.has(key) || (rival !== undefined && this.open.has(rival))) throw new PortTaken(key);
    this.open.add(key);
    const closed = Promise.withResolvers<null>();
    const close = () => {
      this.open.delete(key);
      closed.resolve(null);
    };
    return { local, accept: () => closed.promise, close };
  }

  openUdp(at: Endpoint) {
    if (this.takenUdp.includes(at.port)) return Promise.reject(new PortTaken(`UDP ${at.port}`));
    this.udp.push(at);
    return Promise.resolve({ local: at, onDatagram() {}, send() {}, close: () => Promise.resolve() });
  }
}

async function listening(
  net: ListeningNet,
  options: Partial<LineOptions>,
): Promise<{ tcp: string[]; port: number }> {
  const machine = { net: net as unknown as Net, clock: systemClock, files: systemFiles } as Machine;
  const none = { port: 0, bind: [], maxPeers: 1, downLimit: undefined, upLimit: undefined };
  const dht = { enabled: false, bootstrap: [] };
  const cache = "/nonexistent/dht.json";
  await using line = await Line.open(machine, cache, { ...none, dht, ...options }, () => {});
  return { tcp: [...net.open], port: line.port };
}

const DHT = { enabled: true, bootstrap: [] };

Deno.test("Line.open() listens on both families, in one socket where that takes both", async () => {
  assert.deepEqual(await listening(new ListeningNet("both in one"), {}), { tcp: [":: 4001"], port: 4001 });
  const own = await listening(new ListeningNet("each its own"), { port: 77 });
  assert.deepEqual(own, { tcp: [":: 77", "0.0.0.0 77"], port: 77 });
});

Deno.test("Line.open() listens on IPv4 alone where IPv6 is off", async () => {
  const { tcp } = await listening(new ListeningNet("no IPv6"), { port: 77 });
  assert.deepEqual(tcp, ["0.0.0.0 77"]);
});

Deno.test("Line.open() takes a named :: for all, and any other address for itself", async () => {
  const all = await listening(new ListeningNet("both in one"), { port: 77, bind: ["0.0.0.0", "::"] });
  assert.deepEqual(all.tcp, [":: 77"]);
  const some = await listening(new ListeningNet("both in one"), { bind: ["::1", "127.0.0.1"] });
  assert.deepEqual(some, { tcp: ["::1 4001", "127.0.0.1 4001"], port: 4001 });
});

Deno.test("Line.open() opens the DHT on IPv4 at the same port, and finds one that is free for both", async () => {
  const net = new ListeningNet("both in one", [4001, 4002]);
  const { tcp, port } = await listening(net, { dht: DHT });
  assert.deepEqual([tcp, net.udp, port], [[":: 4003"], [{ host: "0.0.0.0", port: 4003 }], 4003]);
  const named = new ListeningNet("both in one");
  await listening(named, { dht: DHT, bind: ["::1", "127.0.0.1"] });
  assert.deepEqual(named.udp, [{ host: "127.0.0.1", port: 4001 }]);
});

Deno.test("Line.open() refuses the DHT without an IPv4 address, and a port that is taken", async () => {
  const net = new ListeningNet("both in one", [77]);
  await assert.rejects(listening(net, { dht: DHT, bind: ["::1"] }), UsageError);
  await assert.rejects(listening(net, { dht: DHT, port: 77 }), PortTaken);
  assert.equal(net.open.size, 0, "nothing stays open");
});

Deno.test("Line.change() sets limits that were not there, and how many may be connected", async () => {
  const machine = { net: new ListeningNet("no IPv6"), clock: systemClock, files: systemFiles } as unknown;
  const limits = { maxPeers: 1, downLimit: undefined, upLimit: undefined };
  const dht = { enabled: false, bootstrap: [] };
  const options = { ...limits, port: 0, bind: ["127.0.0.1"], dht, isChangeable: true };
  await using line = await Line.open(machine as Machine, "/nonexistent/dht.json", options, () => {});
  const rates = () => [line.upLimit, line.downLimit, line.webSeedLimit].map((limit) => limit!.bytesPerSec);
  assert.deepEqual([rates(), line.maxPeers], [[Infinity, Infinity, Infinity], 1]);
  line.change({ maxPeers: 7, upLimit: 1e6, downLimit: 2e6, webSeedLimit: 3e6 });
  // The rates are set by the one that keeps to the hours, which is woken for it.
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([rates(), line.maxPeers], [[1e6, 2e6, 3e6], 7]);
  line.change({ maxPeers: 8, upLimit: undefined, downLimit: 2e6 });
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([rates(), line.maxPeers], [[Infinity, 2e6, Infinity], 8]);
});
