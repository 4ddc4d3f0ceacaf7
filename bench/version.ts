// Row "version": how long the compiled program takes to say its version, from exec to exit. `bench:binary` says more of
// its start and its size.

import { testBinary } from "../tests/e2e/binary.ts";
import { inTurns, measure, type Row } from "./harness.ts";
import { atMost, median } from "./report.ts";

export const version: Row = {
  names: ["version"],
  async run({ folder }) {
    const row = "nano-snap version, compiled";
    const binary = await testBinary();
    if (binary === undefined) {
      return [{ row, figure: "", bars: [], missing: "not measured: cannot be compiled here" }];
    }
    const { ours } = await inTurns(RUNS, {
      ours: async () => {
        const { cost } = await measure(binary.path, ["version"], { scratch: folder });
        return { ...cost, workMs: cost.wallMs };
      },
    });
    const ms = Math.round(median(ours.map(({ wallMs }) => wallMs)));
    return [{ row, figure: `${ms} ms`, bars: [atMost("time", 100, ms, "ms")] }];
  },
};

/** The first ones warm the page cache. */
const RUNS = 21;
