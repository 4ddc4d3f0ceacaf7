// A small crowd of what `deno task bench:swarm` measures: one producer, mirrors with the same uplink, on virtual time.

import assert from "node:assert/strict";
import { type CrowdOptions, type CrowdResult, runCrowd } from "./crowd.ts";

const KIB = 1 << 10;
const CROWD = { mirrors: 24, pieceLength: 64 * KIB, uplink: 256 * KIB, maxPeers: 24 } as const;

async function run(options: Pick<CrowdOptions, "seed" | "pieces">): Promise<CrowdResult> {
  return await runCrowd({ ...CROWD, ...options });
}

Deno.test("24 mirrors have everything in 1.2 times the ideal, and the producer sends little twice", async () => {
  const { lastSeconds, idealSeconds, producerCopies, wastedCopies } = await run({ seed: 1, pieces: 384 });
  const ratio = lastSeconds / idealSeconds;
  assert.ok(ratio < 1.2, `the last mirror after ${ratio} times the ideal`);
  assert.ok(producerCopies < 1.22, `the producer sent ${producerCopies} copies`);
  assert.ok(wastedCopies < 0.02 * CROWD.mirrors, `${wastedCopies} copies came twice`);
});

Deno.test("a crowd of mirrors is replayed exactly", async () => {
  assert.deepEqual(await run({ seed: 2, pieces: 48 }), await run({ seed: 2, pieces: 48 }));
});
