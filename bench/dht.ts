// Row "dht": 300 of our nodes in one process, on real sockets of the loopback, with one datagram in ten dropped. Newcomers
// look for an item of which half of those nearest to it hold an older one; others put items. `tests/sim/dht_sim_test.ts`
// is the same on virtual time.

import { chanceFrom } from "../lib/chance.ts";
import { systemClock } from "../lib/io/clock.ts";
import { systemNet } from "../lib/io/net.ts";
import { DhtCrowd, live, lossy } from "../tests/dht/crowd.ts";
import type { Row } from "./harness.ts";
import { atLeast } from "./report.ts";

export const dht: Row = {
  names: ["dht"],
  async *run() {
    const random = chanceFrom(Uint8Array.of(SEED));
    const openUdp = async () =>
      lossy(await systemNet.openUdp({ host: "127.0.0.1", port: 0 }), { loss: LOSS, random });
    await using crowd = await DhtCrowd.gather({ count: NODES, openUdp, clock: systemClock, random });
    const { foundMs, endMs, puts } = await live(crowd, { clock: systemClock, lookups: LOOKUPS, puts: PUTS });
    const inTime = foundMs.filter((ms) => ms !== undefined && ms < IN_TIME_MS).length;
    yield {
      row: `dht, ${NODES} nodes, ${100 * LOSS} % lost: lookups`,
      figure: `${inTime} of ${LOOKUPS}; ms: ${distribution(foundMs)}`,
      bars: [atLeast("found in 10 s", 0.99 * LOOKUPS, inTime, "lookups")],
      details: { foundMs: distribution(foundMs), endMs: distribution(endMs) },
    };
    const halves = puts.filter(({ copies, isReadBack }) => copies >= 4 && isReadBack).length;
    const copies = puts.map((put) => put.copies).sort((a, b) => a - b);
    yield {
      row: `dht, ${NODES} nodes, ${100 * LOSS} % lost: puts`,
      figure: `${halves} of ${PUTS}; copies at the 8 nearest: ${copies.join(" ")}`,
      bars: [atLeast("at half of the 8 nearest and read back", PUTS, halves, "puts")],
      details: { copies },
    };
  },
};

/** The quickest, the median, nine of ten, all but one in a hundred, and the slowest. */
function distribution(sorted: readonly (number | undefined)[]): string {
  return [0, 0.5, 0.9, 0.99, 1].map((share) => {
    const ms = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return ms === undefined ? "never" : Math.round(ms);
  }).join(" / ");
}

const NODES = 300;
const LOSS = 0.1;
const LOOKUPS = 100;
const PUTS = 20;
const IN_TIME_MS = 10_000;
const SEED = 20;
