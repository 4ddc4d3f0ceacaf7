// A process that swaps a ledger and is killed, as `kill -9` does it, before the change with a given number; see
// install_kill_test.ts. Ends with 0 when there are fewer changes than that.
//
//   swap_main.ts DIRECTORY NEW_LEDGER NUMBER

import { playSwap, watchedMachine } from "../node/swap_steps.ts";

const [directory = "", fresh = "", number = ""] = Deno.args;
let count = 0;
const machine = watchedMachine(() => {
  if (++count === Number(number)) Deno.kill(Deno.pid, "SIGKILL");
});
playSwap(machine, { directory, backup: true, unpack: (partial) => Deno.copyFileSync(fresh, partial) });
