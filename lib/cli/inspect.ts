// `nano-snap inspect`: a word to InspectOptions, what it is to stdout.

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { addLearnOptions, openLearner, readLearnOptions, refuseLearnOptions } from "./learn_options.ts";
import { inspectJson, inspectText } from "./inspect_result.ts";
import { addViewOptions, Inputs, readDataDir, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";

/** Adds the command to the program. */
export function addInspect(program: Command, context: CliContext): void {
  const command = program.command("inspect")
    .summary("say what a torrent, magnet, archive or ledger is")
    .description(
      "Says what something is, from what it says of itself: nothing is unpacked, nothing is written, and nobody is asked " +
        "but with --fetch. A file's kind is told by its content.",
    )
    .argument("<what>", "a .torrent file, an archive, a data.ldb, a magnet or an info-hash")
    .option("--full", "of a ledger: also count what is cemented, which reads two of its tables")
    .option("--fetch", "of a magnet or info-hash: ask its peers what is in the torrent")
    .option(
      "--data-dir <dir>",
      "with --fetch: whose DHT nodes and peers help (env DATA_DIR; default: ./nano-data)",
    );
  addViewOptions(addLearnOptions(command));
  command.addHelpText("after", EXAMPLES);
  command.action(async (word: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "inspect");
    const options = { word, full: inputs.isOn("--full") };
    const isAsking = inputs.isOn("--fetch");
    if (!isAsking) refuseLearnOptions(inputs, "--fetch", ["--data-dir"]);
    const network = isAsking ? readLearnOptions(inputs, readDataDir(inputs)) : undefined;
    const [{ inspect }, machine] = await Promise.all([import("../inspect/inspect.ts"), context.machine()]);
    const found = await withView(settings, context, async (report) => {
      if (network === undefined) return await inspect(options, machine, report, context.signal);
      await using others = await openLearner(network, machine, report, context.signal);
      return await inspect(options, machine, report, context.signal, others);
    });
    context.stdout(settings.json ? inspectJson(found) : inspectText(found));
  });
}

const EXAMPLES = `
Examples:
  nano-snap inspect data.ldb                    version, blocks, accounts, network, in milliseconds
  nano-snap inspect data.ldb --full --json      cemented_count too
  nano-snap inspect nano-ledger-snapshot.7z
  nano-snap inspect nano-ledger-snapshot.7z.torrent
  nano-snap inspect 'magnet:?xt=...' --fetch    what its peers say is in it

Exit codes: 0 done, 1 failure, 2 usage, 3 nothing discovered, 4 it is damaged, or nothing that we know, 6 permission
or path, 8 network, 70 a bug.
Whether all of it is whole is what nano-snap verify tells.`;
