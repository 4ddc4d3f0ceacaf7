// `nano-snap produce`: the group of the producer's commands, each in a file of its own.

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { addProduceFixture } from "./produce_fixture.ts";
import { addProduceKeygen } from "./produce_keygen.ts";
import { addProducePublish } from "./produce_publish.ts";
import { addProduceRun } from "./produce_run.ts";
import { addProduceSeed } from "./produce_seed.ts";
import { addProduceTorrent } from "./produce_torrent.ts";

/** Adds the group and its commands to the program. */
export function addProduce(program: Command, context: CliContext): void {
  const group = program.command("produce")
    .summary("make a snapshot known: key, torrent, pointer")
    .description("What the producer of a stream does, step by step.");
  const commands = [
    addProduceKeygen,
    addProduceTorrent,
    addProducePublish,
    addProduceSeed,
    addProduceRun,
    addProduceFixture,
  ];
  for (const add of commands) add(group, context);
}
