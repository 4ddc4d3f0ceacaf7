// The options that commands share: their flags and environment variables (flag > environment > default), and what
// they mean together. Upstream's names are accepted beside ours; those that mean nothing here are taken and noted.
// Commander splits the words; it neither reads the environment nor checks values, so that every refusal is ours.

import { type Command, Option } from "commander";
import { resolve } from "node:path";
import { EMBEDDED_AUTHORITY } from "../about.ts";
import { equalBytes, utf8 } from "../bytes.ts";
import { UsageError } from "../errors.ts";
import type { Endpoint } from "../ports.ts";
import { DEFAULT_MAX_PEERS } from "../torrent/limits.ts";
import type { WebSeedSettings } from "../torrent/web_seeds.ts";
import type { LogFormat, LogLevel } from "../status/log.ts";
import { Inputs } from "./inputs.ts";
import { addLineOptions, readLineOptions } from "./line_options.ts";
import {
  addPeerOptions,
  addPortOptions,
  addTrackerOptions,
  type PortSettings,
  readPeers,
  readPort,
  readTrackers,
} from "./network_options.ts";
import { type Given, parseChoice, parseCount, parseKey, parseSize, refused } from "./values.ts";
import { addWebSeedOptions, readWebSeeds } from "./web_seed_options.ts";

export { Inputs };

/** How a run shows itself. */
export interface ViewSettings {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly json: boolean;
  readonly color: boolean;
  /** Whose name progress lines have, where the event has none. */
  readonly logger: string;
}

/** What every networked command needs to know. */
export interface CommonSettings extends PortSettings {
  readonly authorityKey: Uint8Array;
  readonly salt: Uint8Array;
  /** Absolute. */
  readonly dataDir: string;
  readonly peers: readonly Endpoint[];
  readonly trackers: readonly string[];
  readonly useTrackers: boolean;
  readonly maxPeers: number;
  /** Bytes per second; undefined for no limit. */
  readonly downLimit: number | undefined;
  readonly upLimit: number | undefined;
  readonly webSeeds: WebSeedSettings;
  readonly webSeedLimit: number | undefined;
  readonly portMapping: boolean;
  readonly lsd: boolean;
  /** Sentences for the user: what was given and has no effect. */
  readonly warnings: readonly string[];
}

/**
 * Adds the shared options to a command.
 *
 * @param withoutMeaning Flags that it takes besides and does not use.
 */
export function addCommonOptions(command: Command, withoutMeaning: readonly string[] = SWARM_ONLY): Command {
  command
    .option("--authority <hex>", "trust this public key (env PRODUCER_SIGNING_PUBKEY; default: built in)")
    .option("--salt <text>", "which stream of the authority (env DHT_SALT; default: daily)");
  addTrackerOptions(addPeerOptions(addPortOptions(addDataDir(command))))
    .option(
      "--down-limit <rate>",
      "bytes per second, with K, M or G; 0 for no limit (env DOWN_LIMIT; default: 0)",
    )
    .option("--up-limit <rate>", "the same for what others get from here (env UP_LIMIT; default: 0)");
  addLineOptions(addWebSeedOptions(command))
    .option("--max-peers <number>", `connections at once (env MAX_PEERS; default: ${DEFAULT_MAX_PEERS})`)
    .addOption(hidden("--producer-signing-pubkey <hex>"))
    .addOption(hidden("--authority-pubkey <hex>"));
  for (const flag of withoutMeaning) command.addOption(hidden(`${flag} <value>`));
  return command;
}

/** Adds the options of how a run shows itself. @param json What `--json` does. */
export function addViewOptions(command: Command, json = "write the result as one JSON object"): Command {
  return command
    .option("--json", json)
    .option("--log-level <level>", "debug, info, warning or error (env LOG_LEVEL; default: info)")
    .option("--log-format <format>", "log lines as text or json (default: text)")
    .option("--no-color", "no colours (env NO_COLOR)");
}

/**
 * @param logger See ViewSettings.
 * @throws {UsageError}
 */
export function readViewSettings(
  inputs: Inputs,
  stderrIsTerminal: boolean,
  logger = "mirror.watcher",
): ViewSettings {
  const level = inputs.text("--log-level", "LOG_LEVEL");
  const format = inputs.text("--log-format");
  const noColor = inputs.variable("NO_COLOR");
  return {
    level: level === undefined ? "info" : parseChoice(level, ["debug", "info", "warning", "error"]),
    format: format === undefined ? "text" : parseChoice(format, ["text", "json"]),
    json: inputs.isOn("--json"),
    color: stderrIsTerminal && !inputs.isOff("color") && noColor === undefined,
    logger,
  };
}

/**
 * @param withoutMeaning Flags that the command takes and does not use.
 * @throws {UsageError}
 */
export function readCommonSettings(
  inputs: Inputs,
  withoutMeaning: readonly string[] = SWARM_ONLY,
): CommonSettings {
  const warnings: string[] = [];
  const line = readPort(inputs);
  const trackers = readTrackers(inputs);
  warnings.push(...withoutEffect(line, trackers));
  for (const flag of withoutMeaning) {
    const given = inputs.text(flag);
    if (given !== undefined) warnings.push(`${flag} has no effect here and is ignored`);
  }
  return {
    authorityKey: readAuthority(inputs),
    salt: readSalt(inputs),
    dataDir: readDataDir(inputs),
    ...line,
    peers: readPeers(inputs, warnings),
    trackers: trackers.named,
    useTrackers: trackers.enabled,
    maxPeers: readMaxPeers(inputs),
    downLimit: readLimit(inputs.text("--down-limit", "DOWN_LIMIT")),
    upLimit: readLimit(inputs.text("--up-limit", "UP_LIMIT")),
    ...readWebSeeds(inputs, warnings),
    ...readLineOptions(inputs),
    warnings,
  };
}

/** What was given and changes nothing, in sentences for the user. */
export function withoutEffect(
  { dht }: Pick<PortSettings, "dht">,
  trackers: ReturnType<typeof readTrackers>,
): string[] {
  return [
    ...(!dht.enabled && dht.bootstrap !== undefined ? ["--dht-bootstrap has no effect with --no-dht"] : []),
    ...(!trackers.enabled && trackers.named.length > 0 ? ["--tracker has no effect with --no-trackers"] : []),
  ];
}

/** Adds `--data-dir` alone. */
export function addDataDir(command: Command): Command {
  return command.option(
    "--data-dir <dir>",
    "where everything is kept (env DATA_DIR; default: ./nano-data)",
  );
}

/** Flags win over the environment; two names on one level must agree. @throws {UsageError} */
export function readAuthority(inputs: Inputs): Uint8Array {
  const byFlag = ["--authority", "--producer-signing-pubkey", "--authority-pubkey"].map((flag) =>
    inputs.text(flag)
  );
  const byVariable = ["PRODUCER_SIGNING_PUBKEY", "AUTHORITY_PUBKEY"].map((name) => inputs.variable(name));
  for (const level of [byFlag, byVariable]) {
    const [first, ...others] = level.filter((given) => given !== undefined);
    if (first === undefined) continue;
    const key = parseKey(first);
    for (const other of others) {
      if (equalBytes(key, parseKey(other))) continue;
      throw new UsageError(`${first.name} and ${other.name} name different keys: set one of them`);
    }
    return key;
  }
  return parseKey({ text: EMBEDDED_AUTHORITY, name: "the embedded key" });
}

/** Absolute. An empty word would mean the current folder, which a script with an unset variable does not want. */
export function readDataDir(inputs: Inputs): string {
  const given = inputs.text("--data-dir", "DATA_DIR") ?? { text: "nano-data", name: "--data-dir" };
  if (given.text === "") throw refused(given, "a folder");
  return resolve(given.text);
}

/** The stream's salt, at most 64 bytes. @throws {UsageError} */
export function readSalt(inputs: Inputs): Uint8Array {
  const given = inputs.text("--salt", "DHT_SALT") ?? { text: "daily", name: "--salt" };
  const salt = utf8(given.text);
  if (salt.length > MAX_SALT_BYTES) throw refused(given, `at most ${MAX_SALT_BYTES} bytes`);
  return salt;
}

/** @throws {UsageError} */
export function readMaxPeers(inputs: Inputs): number {
  const given = inputs.text("--max-peers", "MAX_PEERS");
  return given === undefined ? DEFAULT_MAX_PEERS : parseCount(given, MOST_PEERS);
}

/** Bytes per second; undefined for no limit. @throws {UsageError} */
export function readLimit(given: Given | undefined): number | undefined {
  const rate = given === undefined ? 0 : parseSize(given);
  return rate === 0 ? undefined : rate;
}

function hidden(flags: string): Option {
  return new Option(flags).hideHelp();
}

/** Each takes a file descriptor and 256 KiB of address space; systems give 1024 descriptors and more. */
const MOST_PEERS = 5000;
/** BEP 44. */
const MAX_SALT_BYTES = 64;
/** Times of upstream's swarm mode, which it takes in the other too. */
const SWARM_ONLY = ["--poll-interval", "--download-timeout"];
