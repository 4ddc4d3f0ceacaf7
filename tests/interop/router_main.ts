// A line behind a router, for router_test.ts: opens it, writes what it says into GO.said, and closes it once something
// was written into GO.

import { SystemMachine } from "../../lib/io/machine.ts";
import { Line } from "../../lib/line/line.ts";

const [go = ""] = Deno.args;
const said = (text: string) => Deno.writeTextFileSync(`${go}.said`, `${text}\n`, { append: true });
const line = await Line.open(
  new SystemMachine("nano-snap test"),
  `${go}.dht`,
  {
    port: 6881,
    bind: [],
    dht: { enabled: true, bootstrap: [] },
    maxPeers: 5,
    downLimit: undefined,
    upLimit: undefined,
    portMapping: true,
    saysReachability: true,
  },
  (event) => {
    if (event.kind === "facts") said(`mapped: isReachable ${event.facts.isReachable}`);
    if (event.kind === "note" && event.level === "info") said(event.text);
  },
);
await Deno.readTextFile(go);
const beganMs = performance.now();
await line[Symbol.asyncDispose]();
said(`ended in ${Math.round(performance.now() - beganMs)} ms`);
