// `nano-snap produce fixture`: words to FixtureOptions, the file's path to stdout.

import type { Command } from "commander";
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import type { Fixture, FixtureOptions } from "../producer/fixture.ts";
import { ARCHIVE_NAMES } from "../producer/packer.ts";
import type { CliContext } from "./context.ts";
import { addViewOptions, Inputs, readViewSettings } from "./options.ts";
import { withView } from "./run_view.ts";
import { type Given, parseChoice, parseSize, refused } from "./values.ts";

/** Adds the command to its group. */
export function addProduceFixture(group: Command, context: CliContext): void {
  const command = group.command("fixture")
    .summary("make a snapshot of chance, to try things out")
    .description(
      "Makes a ledger with a node's tables and records full of chance, and packs it like a real one. Everything here takes " +
        "it; no node does anything with it.",
    )
    .option("--size <size>", "of the ledger, with K, M or G (default: 64M)")
    .option("--format <format>", "7z, tar.zst or ldb (default: as --out ends, otherwise tar.zst)")
    .option("--out <file>", "the file to make (default: the format's usual name, here)")
    .option("--force", "replace what is there");
  addViewOptions(command);
  command.addHelpText("after", EXAMPLES);
  command.action(async () => {
    const inputs = new Inputs(command.opts(), context.env);
    const settings = readViewSettings(inputs, context.stderrIsTerminal, "producer.fixture");
    const options = readFixtureOptions(inputs);
    const [{ makeFixture }, machine] = await Promise.all([
      import("../producer/fixture.ts"),
      context.machine(),
    ]);
    const made = await withView(
      settings,
      context,
      (report) => makeFixture(options, machine, report, context.signal),
    );
    context.stdout(settings.json ? fixtureJson(made) : `${made.path}\n`);
  });
}

/** The whole request. @throws {UsageError} */
export function readFixtureOptions(inputs: Inputs): FixtureOptions {
  const given = inputs.text("--size");
  const size = given === undefined ? DEFAULT_BYTES : parseSize(given);
  if (given !== undefined && !(size >= MIN_BYTES && size <= MAX_BYTES)) {
    throw refused(given, "from 64K to 1000G");
  }
  const out = inputs.text("--out");
  if (out?.text === "") throw refused(out, "a file");
  const format = readFormat(inputs.text("--format"), out);
  return { size, format, out: resolve(out?.text ?? ARCHIVE_NAMES[format]), force: inputs.isOn("--force") };
}

/** What is asked for, otherwise what the file's name says. A name that says another format would mislead. */
function readFormat(given: Given | undefined, out: Given | undefined): FixtureOptions["format"] {
  const named = FORMATS.find((format) => out?.text.toLowerCase().endsWith(`.${format}`));
  const format = given === undefined ? named ?? "tar.zst" : parseChoice(given, FORMATS);
  if (named !== undefined && named !== format) {
    throw new UsageError(`--out "${out?.text}" is the name of a ${named}, --format is ${format}`);
  }
  return format;
}

function fixtureJson({ path, size, ledgerSize, blocks, accounts }: Fixture): string {
  const object = { path, size, ledger_size: ledgerSize, block_count: blocks, account_count: accounts };
  return JSON.stringify(object) + "\n";
}

const FORMATS = ["7z", "tar.zst", "ldb"] as const;
const DEFAULT_BYTES = 64e6;
/** A few pages of each table. */
const MIN_BYTES = 64e3;
/** Several times a real one. */
const MAX_BYTES = 1e12;

const EXAMPLES = `
Examples:
  nano-snap produce fixture                                  ./nano-ledger-snapshot.tar.zst, of 64 MB
  nano-snap produce fixture --size 1G --format 7z            as the stream has it; packing takes minutes
  nano-snap produce fixture --size 200M --out /tmp/data.ldb  a ledger that is not packed

Exit codes: 0 done, 1 failure, 2 usage, 5 not enough space, 6 permission or path, 70 a bug, 130 and 143 stopped by a
signal.`;
