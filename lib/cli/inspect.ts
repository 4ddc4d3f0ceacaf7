// `nano-snap inspect`: a word to InspectOptions, what it is to stdout.

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { inspectJson, inspectText } from "./inspect_result.ts";
import { addViewOptions, Inputs, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";

/** Adds the command to the program. */
export function addInspect(program: Command, context: CliContext): void {
  const command = program.command("inspect")
    .summary("say what a torrent, magnet, archive or ledger is")
    .description(
      "Says what something is, from what it says of itself: nothing is unpacked, nobody is asked, nothing is written. " +
        "A file's kind is told by its content.",
    )
    .argument("<what>", "a .torrent file, an archive, a data.ldb, a magnet or an info-hash")
    .option("--full", "of a ledger: also count what is cemented, which reads two of its tables");
  addViewOptions(command);
  command.addHelpText("after", EXAMPLES);
  command.action(async (word: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal);
    const options = { word, full: inputs.isOn("--full") };
    const [{ inspect }, machine] = await Promise.all([import("../inspect/inspect.ts"), context.machine()]);
    const found = await withView(
      settings,
      context,
      (report) => inspect(options, machine, report, context.signal),
    );
    context.stdout(settings.json ? inspectJson(found) : inspectText(found));
  });
}

const EXAMPLES = `
Examples:
  nano-snap inspect data.ldb                    version, blocks, accounts, network, in milliseconds
  nano-snap inspect data.ldb --full --json      cemented_count too
  nano-snap inspect nano-ledger-snapshot.7z
  nano-snap inspect nano-ledger-snapshot.7z.torrent
  nano-snap inspect 'magnet:?xt=...'

Exit codes: 0 done, 1 failure, 2 usage, 4 it is damaged, or nothing that we know, 6 permission or path, 70 a bug.
Whether all of it is whole is what nano-snap verify tells.`;
