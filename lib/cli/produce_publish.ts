// `nano-snap produce publish FILE`: words to PublishSnapshotOptions, hashes and seq to stdout.

import type { Command } from "commander";
import { resolve } from "node:path";
import { parseUtf8, toHex } from "../bytes.ts";
import type { PublishedSnapshot, PublishSnapshotOptions } from "../producer/publish_snapshot.ts";
import type { CliContext } from "./context.ts";
import { addKeyOptions, readSigningKey } from "./key_options.ts";
import { collect } from "./inputs.ts";
import { addBootstrap, readPort } from "./network_options.ts";
import { addViewOptions, Inputs, readSalt, readViewSettings } from "./options.ts";
import { hashLines } from "./produce_torrent.ts";
import { withView } from "./run_view.ts";
import { addTorrentOptions, readTorrentOptions } from "./torrent_options.ts";
import { refused } from "./values.ts";

/** Adds the command to its group. */
export function addProducePublish(group: Command, context: CliContext): void {
  const command = group.command("publish")
    .summary("make FILE.torrent and sign it as the newest snapshot")
    .description(
      "Makes FILE.torrent and snapshot-meta.json (or uses those of the same file), signs a pointer to it, stores that in " +
        "the DHT, and reads it back through another node. It is published when that has found it, not before.",
    )
    .argument("<file>", "the archive, or a ledger");
  addKeyOptions(command)
    .option("--salt <text>", "which stream of this key (env DHT_SALT; default: daily)")
    .option(
      "--state-file <file>",
      "remembers the seq (env PUBLISHER_STATE_FILE; default: publisher_state.json beside FILE)",
    )
    .option("--dry-run", "do everything but the put");
  addBootstrap(command)
    .option("--port <number>", "UDP port (env PORT; default: a free one)")
    .option("--bind <address>", "use this address only", collect);
  addViewOptions(addTorrentOptions(command));
  command.addHelpText("after", EXAMPLES);
  command.action(async (file: string) => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "producer.publish");
    const given = readPublishOptions(inputs, file);
    const [{ publishSnapshot }, machine] = await Promise.all([
      import("../producer/publish_snapshot.ts"),
      context.machine(),
    ]);
    const { key, warnings } = readSigningKey(inputs, machine.files);
    const options = { ...given, key };
    const result = await withView(settings, context, (report) => {
      for (const text of warnings) {
        report({ kind: "note", level: "warning", logger: "producer.publish", text });
      }
      return publishSnapshot(options, machine, report, context.signal);
    });
    context.stdout(settings.json ? publishJson(result, options) : publishText(result));
  });
}

/** The whole request, without the key. @throws {UsageError} */
export function readPublishOptions(inputs: Inputs, file: string): Omit<PublishSnapshotOptions, "key"> {
  const stateFile = inputs.text("--state-file", "PUBLISHER_STATE_FILE");
  if (stateFile?.text === "") throw refused(stateFile, "a file");
  const { port, bind, dht: { bootstrap } } = readPort(inputs, { port: 0 });
  return {
    torrent: { ...readTorrentOptions(inputs), path: resolve(file) },
    salt: readSalt(inputs),
    stateFile: stateFile === undefined ? undefined : resolve(stateFile.text),
    dht: { port, bind, bootstrap },
    dryRun: inputs.isOn("--dry-run"),
  };
}

/** Upstream's two lines, then the seq; a dry run says so. */
function publishText({ prepared, publication }: PublishedSnapshot): string {
  const dry = publication.isDryRun ? "dry_run=true\n" : "";
  return `${hashLines(prepared)}seq=${publication.item.seq}\n${dry}`;
}

/** One JSON object with a newline. What does not apply is null. */
function publishJson(
  { prepared, publication }: PublishedSnapshot,
  { key, salt }: Pick<PublishSnapshotOptions, "key" | "salt">,
): string {
  const { info, path, torrentPath, metaPath, sha256 } = prepared;
  const { item, target, isRefresh, isDryRun, stored, holders } = publication;
  const object = {
    path,
    torrent: torrentPath,
    meta: metaPath,
    size: info.totalLength,
    sha256,
    info_hash: toHex(info.infoHashV2!),
    info_hash_v1: info.infoHashV1 === undefined ? null : toHex(info.infoHashV1),
    seq: item.seq,
    public_key: toHex(key.publicKey),
    salt: parseUtf8(salt) ?? null,
    target: toHex(target),
    refreshed: isRefresh,
    dry_run: isDryRun,
    dht_nodes_asked: holders,
    dht_nodes_stored: stored,
    read_back: !isDryRun,
  };
  return JSON.stringify(object) + "\n";
}

const EXAMPLES = `
Examples:
  nano-snap produce publish nano-ledger-snapshot.7z --key-file ~/.nano-snap-key
  nano-snap produce publish nano-ledger-snapshot.7z --key-file ~/.nano-snap-key --dry-run

Exit codes: 0 done, 1 failure (also when the file changed meanwhile), 2 usage, 4 the seq cannot be raised, 5 not
enough space, 6 permission, path or port, 8 not published: nobody answered, stored it or had it afterwards,
9 another process publishes with the same state file, 70 a bug, 130 and 143 stopped by a signal.`;
