// `nano-snap verify`: words to VerifyOptions, the table to stdout, and exit code 4 when anything in it is bad.

import type { Command } from "commander";
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import type { VerifyOptions } from "../inspect/verify.ts";
import type { CliContext } from "./context.ts";
import { ToldFailure } from "./failure.ts";
import { addViewOptions, Inputs, readAuthority, readSalt, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";
import { verdictText, verifyJson, verifyText } from "./verify_result.ts";

/** Adds the command to the program. */
export function addVerify(program: Command, context: CliContext): void {
  const command = program.command("verify")
    .summary("prove what lies on disk")
    .description(
      "Checks a file with all there is to check it by: its bytes against its torrent, who signed for that, an archive by " +
        "unpacking it to nowhere, a ledger page by page. Nobody is asked and nothing is written. The torrent is FILE.torrent " +
        "beside it or the one that an earlier run recorded, unless it is named. Stop the node before its own ledger is checked.",
    )
    .argument("<path>", "an archive, a data.ldb, a torrent's folder or a data directory")
    .option("--torrent <file>", "compare with this .torrent file")
    .option("--magnet <link>", "compare with this magnet's torrent, which must be here already")
    .option("--authority <hex>", "whose signature counts (env PRODUCER_SIGNING_PUBKEY; default: built in)")
    .option("--salt <text>", "which stream of the authority (env DHT_SALT; default: daily)");
  addViewOptions(command);
  command.addHelpText("after", EXAMPLES);
  command.action(async (path: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal);
    const options = { path: resolve(path), ...readOptions(inputs) };
    const [{ verify }, machine] = await Promise.all([import("../inspect/verify.ts"), context.machine()]);
    const verified = await withView(
      settings,
      context,
      (report) => verify(options, machine, report, context.signal),
    );
    context.stdout(settings.json ? verifyJson(verified) : verifyText(verified));
    if (!verified.isGood) throw new ToldFailure(verdictText(verified));
  });
}

function readOptions(inputs: Inputs): Omit<VerifyOptions, "path"> {
  const [torrent, magnet] = [inputs.text("--torrent"), inputs.text("--magnet")];
  if (torrent !== undefined && magnet !== undefined) {
    throw new UsageError("--torrent and --magnet exclude each other");
  }
  const named = torrent !== undefined
    ? { kind: "torrent" as const, text: resolve(torrent.text) }
    : magnet && { kind: "magnet" as const, text: magnet.text };
  return { torrent: named, authorityKey: readAuthority(inputs), salt: readSalt(inputs) };
}

const EXAMPLES = `
Examples:
  nano-snap verify nano-data                    what a get left there
  nano-snap verify data.ldb                     every page of a ledger
  nano-snap verify snapshot.7z --torrent snapshot.7z.torrent
  nano-snap verify data.ldb --json              for a script

Exit codes: 0 all is good (warnings may be among it), 1 failure, 2 usage, or nothing to check it by, 4 something is
bad, 6 permission or path, 70 a bug, 130 and 143 stopped by a signal.`;
