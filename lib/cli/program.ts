// From words to an exit code: which command is meant, what is said when none is, and how a failure ends.
//
// Commander splits the words and writes the help. It was chosen over @optique/core + run 1.3.6: both start well under
// 100 ms (41 against 64 ms of the whole process here, 17 of them the runtime's), but commander is one package
// without dependencies of 0.3 MB against two of 4.2 MB, and its help and suggestions are what users know. It brings
// no completions or man page; the command tree that it keeps has all that those need.
//
// A command's file is loaded when its command is called; all of them only when none is named. So `version` and
// `get --help` stay as quick as they are, however many commands there are.

import { Command, CommanderError } from "commander";
import { EXIT, Interrupted, InvariantBroken, UsageError } from "../errors.ts";
import type { CliContext } from "./context.ts";
import { failureOf, ToldFailure, ToldNotReady } from "./failure.ts";
import { addVersion, versionText } from "./version.ts";

/**
 * Runs the command that the words name, and tells how it ended.
 *
 * @param args Without the program's name.
 * @returns The exit code; everything that is to be said has been written. Never rejects.
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const words = withCommand(asOption(args));
  const program = await makeProgram(context, words[0]);
  try {
    await program.parseAsync([...words], { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    const { exitCode, text, json } = failureOf(
      causeOf(error, callOf(program, words), program, context.signal),
    );
    context.stderr(text);
    const isTold = error instanceof ToldFailure || error instanceof ToldNotReady;
    if (args.includes("--json") && !isTold) context.stdout(json);
    return exitCode;
  }
}

/** "help produce seed" as "produce seed --help": commander's own help command goes one command deep. */
function asOption(args: readonly string[]): readonly string[] {
  if (args[0] !== "help") return args;
  const names = args.slice(1).filter((word) => word !== "help" && !word.startsWith("-"));
  const [first] = names;
  const isUnknown = first !== undefined && !COMMANDS.some((one) => one.names.includes(first));
  return isUnknown ? [first] : [...names, "--help"];
}

/** The words with the command that they leave out: upstream's program has none and means its swarm mode. */
export function withCommand(args: readonly string[]): readonly string[] {
  const [first] = args;
  if (first !== undefined && (!first.startsWith("-") || TOP_LEVEL_FLAGS.includes(first))) return args;
  return args.includes("--once") ? ["get", ...args.filter((word) => word !== "--once")] : ["swarm", ...args];
}

/** With the command that is called, or with all of them where the word is none. */
export async function makeProgram(context: CliContext, called?: string): Promise<Command> {
  const program = new Command("nano-snap")
    .description(
      "Gets a Nano node its ledger: signed by its authority, fetched from peers, verified to the last byte.",
    )
    .version(versionText(context).trimEnd(), "-V, --version", "say the version")
    // `upgrade --version V` is the command's own.
    .enablePositionalOptions()
    .helpCommand("help [command]", "say more about a command")
    // Everything that commander says in the end goes through us: help is a result, an error is one sentence.
    .configureOutput({
      writeOut: context.stdout,
      writeErr: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  program.addHelpText("after", "\nStart here:\n  nano-snap get --extract");
  const one = COMMANDS.find(({ names }) => called !== undefined && names.includes(called));
  const wanted = one === undefined || one.readsAll === true ? COMMANDS : [one];
  for (const add of await Promise.all(wanted.map(({ load }) => load()))) {
    add(program, context);
  }
  passOn(program);
  return program.helpOption("-h, --help", "say this");
}

/** Gives the commands what is set after they were made. */
function passOn(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent).allowExcessArguments(false).helpOption("-h, --help", "say this");
    passOn(command);
  }
}

/** Which failure to tell: being stopped explains whatever else failed because of it, except our own bugs. */
function causeOf(error: unknown, call: string, program: Command, signal: AbortSignal): unknown {
  if (error instanceof CommanderError) return usageOf(error, call, program);
  const isBug = error instanceof InvariantBroken || error instanceof TypeError || error instanceof RangeError;
  // A command may know better what becomes of its work.
  return signal.aborted && !isBug && !(error instanceof Interrupted) ? signal.reason : error;
}

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)" as one sentence with the way to the help. */
function usageOf(error: CommanderError, call: string, program: Command): UsageError {
  if (error.code === "commander.help") return new UsageError(`Which command? See: ${call} --help`);
  const sentence = error.message.replace(/^error: /, "").replaceAll(/\s+/g, " ").replace(/[.]$/, "")
    // An unknown option's value may be a secret.
    .replace(/^(unknown option '--?[^'=]+)=.*'/, "$1'");
  return new UsageError(`${sentence}${elsewhere(sentence, program)}; see: ${call} --help`, { cause: error });
}

/** A word that is no command here, but is one of a group: "seed" of "produce". */
function elsewhere(sentence: string, program: Command): string {
  const word = /^unknown command '([^']+)'$/.exec(sentence)?.[1];
  const group = program.commands.find(({ commands }) => commands.some((one) => one.name() === word));
  return group === undefined ? "" : ` (Did you mean ${group.name()} ${word}?)`;
}

/** The command that the words name, as it is called: "nano-snap produce torrent". */
function callOf(program: Command, words: readonly string[]): string {
  const names = [program.name()];
  let command: Command | undefined = program;
  for (const word of words) {
    command = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (command === undefined) break;
    names.push(command.name());
  }
  return names.join(" ");
}

interface LazyCommand {
  /** As the command's file has them, aliases too. */
  readonly names: readonly string[];
  /** A literal `import()`, so that `deno compile` finds the file. */
  readonly load: () => Promise<(program: Command, context: CliContext) => void>;
  /** It tells of the others, which must be there. */
  readonly readsAll?: true;
}

/** In the order of the help. */
const COMMANDS: readonly LazyCommand[] = [
  { names: ["get", "once"], load: async () => (await import("./get.ts")).addGet },
  { names: ["swarm"], load: async () => (await import("./swarm.ts")).addSwarm },
  { names: ["produce"], load: async () => (await import("./produce.ts")).addProduce },
  { names: ["inspect"], load: async () => (await import("./inspect.ts")).addInspect },
  { names: ["verify"], load: async () => (await import("./verify.ts")).addVerify },
  { names: ["status"], load: async () => (await import("./status.ts")).addStatus },
  { names: ["health"], load: async () => (await import("./health.ts")).addHealth },
  { names: ["doctor"], load: async () => (await import("./doctor.ts")).addDoctor },
  { names: ["upgrade"], load: async () => (await import("./upgrade.ts")).addUpgrade },
  {
    names: ["completions"],
    load: async () => (await import("./completions.ts")).addCompletions,
    readsAll: true,
  },
  { names: ["man"], load: async () => (await import("./man.ts")).addMan, readsAll: true },
  { names: ["version"], load: () => Promise.resolve(addVersion) },
];
const TOP_LEVEL_FLAGS: readonly string[] = ["-h", "--help", "-V", "--version"];
