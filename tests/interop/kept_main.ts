// A process that brings a kept archive to its place and is killed, as `kill -9` does it, before the change with a given
// number; see kept_kill_test.ts. Ends with 0 when there are fewer changes than that.
//
//   kept_main.ts DATA_DIRECTORY BOOT_ID TORRENT_NAME NUMBER

import { DataPaths } from "../../lib/mirror/data_dir.ts";
import { bringKept } from "../../lib/mirror/kept_archive.ts";
import type { Machine } from "../../lib/mirror/machine.ts";
import { watchedMachine } from "../node/swap_steps.ts";

const [root = "", boot = "", name = "", number = ""] = Deno.args;
let count = 0;
const { files } = watchedMachine(() => {
  if (++count === Number(number)) Deno.kill(Deno.pid, "SIGKILL");
});
const machine = { files: { ...files, bootId: () => boot } } as Partial<Machine> as Machine;
bringKept({ machine, paths: new DataPaths(root), report: () => {} }, name);
