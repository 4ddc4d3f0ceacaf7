// The private key of a command that signs: from a file or a variable, never from a word of the command line.

import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Files } from "../ports.ts";
import { parsePrivateKey, readKeyFile, type SigningKey } from "../producer/keys.ts";
import type { Inputs } from "./options.ts";

/** Adds the options that say where the key is. */
export function addKeyOptions(command: Command): Command {
  return command
    .option("--key-file <file>", "the private key, as keygen writes it (env DHT_PRIVATE_KEY, the key itself)")
    // Upstream's flag: refused with the way out, and without its value.
    .addOption(new Option("--private-key <hex>").hideHelp());
}

/**
 * Reads the key: --key-file, otherwise DHT_PRIVATE_KEY.
 *
 * @returns The key, and sentences for the user.
 * @throws {UsageError} When there is none, or what is there is no key. @throws {PathUnusable}
 */
export function readSigningKey(inputs: Inputs, files: Files): { key: SigningKey; warnings: string[] } {
  if (inputs.text("--private-key") !== undefined) {
    throw new UsageError(
      "--private-key would show the key to everybody on this machine: use --key-file or the variable DHT_PRIVATE_KEY",
    );
  }
  const file = inputs.text("--key-file");
  if (file !== undefined) {
    const { key, warning } = readKeyFile(files, file.text);
    return { key, warnings: warning === undefined ? [] : [warning] };
  }
  const variable = inputs.variable("DHT_PRIVATE_KEY");
  if (variable === undefined) {
    throw new UsageError("There is no private key: name its file with --key-file, or set DHT_PRIVATE_KEY");
  }
  return { key: parsePrivateKey(variable.text, variable.name), warnings: [] };
}
