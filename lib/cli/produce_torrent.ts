// `nano-snap produce torrent FILE`: words to CreateOptions, the two hashes to stdout.

import type { Command } from "commander";
import { resolve } from "node:path";
import { toHex } from "../bytes.ts";
import { formatMagnet } from "../torrent/magnet.ts";
import type { CreatedTorrent, CreateOptions } from "../producer/create.ts";
import type { CliContext } from "./context.ts";
import { addViewOptions, Inputs, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";
import { addTorrentOptions, readTorrentOptions } from "./torrent_options.ts";

/** Adds the command to its group. */
export function addProduceTorrent(group: Command, context: CliContext): void {
  const command = group.command("torrent")
    .summary("make FILE.torrent")
    .description(
      "Hashes the file on all cores and writes FILE.torrent beside it, hybrid (v1 and v2). Its name is the file's own: " +
        "the stream's archive is called nano-ledger-snapshot.7z.",
    )
    .argument("<file>", "the archive, or a ledger");
  addViewOptions(addTorrentOptions(command));
  command.addHelpText("after", EXAMPLES);
  command.action(async (file: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "producer.torrent");
    const options = { ...readTorrentOptions(inputs), path: resolve(file) };
    const [{ createTorrent }, machine] = await Promise.all([
      import("../producer/create.ts"),
      context.machine(),
    ]);
    const made = await withView(
      settings,
      context,
      (report) => createTorrent(options, machine, report, context.signal),
    );
    context.stdout(settings.json ? torrentJson(made, options) : hashLines(made));
  });
}

/** The two lines that upstream's pipeline looks for; one for a torrent without v1 half. */
export function hashLines({ info }: Pick<CreatedTorrent, "info">): string {
  const v1 = info.infoHashV1 === undefined ? "" : `info_hash_v1=${toHex(info.infoHashV1)}\n`;
  return `${v1}info_hash=${toHex(info.infoHashV2!)}\n`;
}

/** One JSON object with a newline. What does not apply is null. */
function torrentJson(made: CreatedTorrent, { path, trackers }: CreateOptions): string {
  const { info, torrentPath, originalFilename } = made;
  const { infoHashV1, infoHashV2, name } = info;
  const object = {
    path,
    torrent: torrentPath,
    name,
    size: info.totalLength,
    piece_length: info.pieceLength,
    piece_count: info.pieceCount,
    info_hash: toHex(infoHashV2!),
    info_hash_v1: infoHashV1 === undefined ? null : toHex(infoHashV1),
    original_filename: originalFilename ?? null,
    magnet: formatMagnet({ infoHashV1, infoHashV2, name, trackers, webSeeds: [], peers: [] }),
  };
  return JSON.stringify(object) + "\n";
}

const EXAMPLES = `
Examples:
  nano-snap produce torrent nano-ledger-snapshot.7z
  nano-snap produce torrent nano-ledger-snapshot.7z --original-filename Nano_64_2026_04_23_09.7z
  nano-snap produce torrent data.ldb --piece-size 4M --format-facts

Exit codes: 0 done, 1 failure (also when the file changed meanwhile), 2 usage, 4 damaged ledger (--format-facts),
5 not enough space, 6 permission or path, 70 a bug, 130 and 143 stopped by a signal. Nothing is written unless all
went well.`;
