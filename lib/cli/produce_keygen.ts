// `nano-snap produce keygen`: a new key in a file, its public half on stdout.

import type { Command } from "commander";
import { resolve } from "node:path";
import { toHex } from "../bytes.ts";
import { shellWord } from "../format.ts";
import type { CliContext } from "./context.ts";
import { Inputs } from "./options.ts";
import { refused } from "./values.ts";

/** Adds the command to its group. */
export function addProduceKeygen(group: Command, context: CliContext): void {
  const command = group.command("keygen")
    .summary("make a new private key")
    .description(
      "Makes a private key in a new file that only you can read, and says the public key that belongs to it: what " +
        "others name with --authority. Whoever has the file is the authority; whoever loses it cannot be it again.",
    )
    .requiredOption("--out <file>", "where the private key goes; a file that is there is never replaced")
    .option("--json", "write one JSON object");
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const out = inputs.text("--out")!;
    if (out.text === "") throw refused(out, "a file");
    const path = resolve(out.text);
    const [{ createKeyFile }, { files, random }] = await Promise.all([
      import("../producer/keys.ts"),
      context.machine(),
    ]);
    const publicKey = toHex(createKeyFile(files, random, path).publicKey);
    const text = inputs.isOn("--json") ? JSON.stringify({ public_key: publicKey, path }) : publicKey;
    context.stdout(text + "\n");
    if (!inputs.isOn("--json")) context.stderr(afterwards(path));
  });
}

/** On stderr, so that stdout can go into a file: it is the public key alone. */
function afterwards(path: string): string {
  const file = shellWord(path);
  return `The private key is ${file}: keep a copy of it elsewhere, it cannot be made again\n` +
    `Next: nano-snap produce run --key-file ${file}, or with --ledger, of your own node's ledger\n`;
}

const EXAMPLES = `
Examples:
  nano-snap produce keygen --out ~/.nano-snap-key    keep a copy of it somewhere safe`;
