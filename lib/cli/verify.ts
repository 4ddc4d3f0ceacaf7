// `nano-snap verify`: words to VerifyOptions, the table to stdout, and exit code 4 when anything in it is bad.

import type { Command } from "commander";
import { dirname, resolve } from "node:path";
import { UsageError } from "../errors.ts";
import type { VerifyOptions } from "../inspect/verify.ts";
import type { CliContext } from "./context.ts";
import { ToldFailure } from "./failure.ts";
import { addLearnOptions, openLearner, readLearnOptions, refuseLearnOptions } from "./learn_options.ts";
import { addViewOptions, Inputs, readAuthority, readSalt, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";
import { readSource } from "./source_options.ts";
import { verdictText, verifyJson, verifyText } from "./verify_result.ts";

/** Adds the command to the program. */
export function addVerify(program: Command, context: CliContext): void {
  const command = program.command("verify")
    .summary("prove what lies on disk")
    .description(
      "Checks a file with all there is to check it by: its bytes against its torrent, who signed for that, an archive by " +
        "unpacking it to nowhere, a ledger page by page. Nothing is written. The torrent is FILE.torrent beside it or the " +
        "one that an earlier run recorded, and nobody is asked; unless it is named: what is not here of it is asked of its " +
        "peers, and nothing is downloaded but its hashes. Stop the node before its own ledger is checked.",
    )
    .argument("<path>", "an archive, a data.ldb, a torrent's folder or a data directory")
    .option("--torrent <file>", "compare with this .torrent file")
    .option("--magnet <link>", "compare with this magnet's torrent")
    .option("--info-hash <hex>", "compare with the torrent of this info-hash")
    .option("--latest", "compare with the newest that the authority signed")
    .option("--authority <hex>", "whose signature counts (env PRODUCER_SIGNING_PUBKEY; default: built in)")
    .option("--salt <text>", "which stream of the authority (env DHT_SALT; default: daily)");
  addViewOptions(addLearnOptions(command));
  command.addHelpText("after", EXAMPLES);
  command.action(async (word: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "verify");
    const path = resolve(word);
    const options = { path, ...readOptions(inputs) };
    const { torrent } = options;
    const isAsking = torrent !== undefined && torrent.kind !== "torrent";
    if (!isAsking) refuseLearnOptions(inputs, "--latest, --magnet or --info-hash");
    const [{ verify }, machine] = await Promise.all([import("../inspect/verify.ts"), context.machine()]);
    const isFolder = machine.files.stat(path)?.kind === "directory";
    const network = readLearnOptions(inputs, isFolder ? path : dirname(path));
    const verified = await withView(settings, context, async (report) => {
      if (!isAsking) return await verify(options, machine, report, context.signal);
      await using others = await openLearner(network, machine, report, context.signal);
      return await verify(options, machine, report, context.signal, others);
    });
    context.stdout(settings.json ? verifyJson(verified) : verifyText(verified));
    if (!verified.isGood) throw new ToldFailure(verdictText(verified));
  });
}

function readOptions(inputs: Inputs): Omit<VerifyOptions, "path"> {
  const source = readSource(inputs);
  const isLatest = inputs.isOn("--latest");
  if (isLatest && source !== undefined) {
    throw new UsageError("--latest excludes --magnet, --torrent and --info-hash: they name another torrent");
  }
  const torrent = isLatest ? { kind: "newest" as const } : source;
  return { torrent, authorityKey: readAuthority(inputs), salt: readSalt(inputs) };
}

const EXAMPLES = `
Examples:
  nano-snap verify nano-data                    what a get left there
  nano-snap verify data.ldb                     every page of a ledger
  nano-snap verify snapshot.7z --torrent snapshot.7z.torrent
  nano-snap verify snapshot.7z --magnet 'magnet:?xt=...'
  nano-snap verify nano-data --latest           is this the newest, and all of it
  nano-snap verify data.ldb --json              for a script

Exit codes: 0 all is good (warnings may be among it), 1 failure, 2 usage, or nothing to check it by, 3 nothing
discovered, 4 something is bad, 6 permission or path, 8 network, 70 a bug, 130 and 143 stopped by a signal.`;
