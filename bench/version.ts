// Row "version": how long the compiled program takes to say its version, from exec to exit.

import { inTurns, measure, type Row } from "./harness.ts";
import { atMost, median } from "./report.ts";

export const version: Row = {
  names: ["version"],
  async run({ binary, folder }) {
    const row = "nano-snap version, compiled";
    if (binary === undefined) {
      return [{ row, figure: "", bars: [], missing: "not measured: name a compiled program with --binary" }];
    }
    const { ours } = await inTurns(RUNS, {
      ours: async () => {
        const { cost } = await measure(binary, ["version"], { scratch: folder });
        return { ...cost, workMs: cost.wallMs };
      },
    });
    const ms = Math.round(median(ours.map(({ wallMs }) => wallMs)));
    return [{ row, figure: `${ms} ms`, bars: [atMost("time", 100, ms, "ms")] }];
  },
};

/** The first ones warm the page cache. */
const RUNS = 21;
