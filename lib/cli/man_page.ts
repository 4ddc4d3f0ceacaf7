// The manual page in roff's `man` macros, which every Unix reads: made of the command tree, so that it lists what the
// program takes and nothing else. Ready for `man -l`, checked by `man --warnings`.

import { EXIT } from "../errors.ts";
import { type CommandNode, flatten, type OptionNode } from "./command_tree.ts";

/**
 * The page of the whole program.
 *
 * @param about.date As YYYY-MM-DD, or "" where it is not known.
 */
export function manPage(
  tree: CommandNode,
  about: { readonly version: string; readonly date: string },
): string {
  const name = tree.path[0]!;
  const commands = flatten(tree).filter((node) => node.path.length > 1 && node.commands.length === 0);
  return [
    macro("TH", name.toUpperCase(), "1", about.date, `${name} ${about.version}`, "User Commands"),
    macro("SH", "NAME"),
    `${text(name)} \\- ${text(lowerFirst(tree.description.replace(/\.$/, "")))}`,
    macro("SH", "SYNOPSIS"),
    `${bold(name)} \\fIcommand\\fR [\\fIoptions\\fR]`,
    macro("SH", "DESCRIPTION"),
    text(tree.description),
    macro("PP"),
    text("Without a command, options are those of swarm; with --once among them, of get."),
    macro("SH", "COMMANDS"),
    ...commands.map(commandPart),
    macro("SH", "ENVIRONMENT"),
    text("A flag goes before the variable that stands for it. An empty variable counts as not set."),
    ...variablesOf(commands).map(([variable, flags]) => entry(bold(variable), text(`${flags.join(", ")}.`))),
    macro("SH", "EXIT STATUS"),
    ...Object.entries(EXIT).map(([key, code]) =>
      entry(bold(String(code)), text(ENDS[key as keyof typeof EXIT]))
    ),
    macro("SH", "FILES"),
    ...FILES.map(([path, what]) => entry(`\\fI${text(path)}\\fR`, text(what))),
  ].join("\n") + "\n";
}

/** What each exit code means, as a sentence. */
export const ENDS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "Done, or already current.",
  failure: "A failure that is not named below.",
  usage: "The command line or the environment makes no sense.",
  notDiscovered: "Nothing was discovered.",
  untrusted: "Verification failed.",
  noSpace: "Not enough space.",
  path: "A permission, a path, or a port.",
  nodeRunning: "The node is running.",
  network: "The network, or nobody sends anything.",
  held: "Another instance holds the directory.",
  bug: "A bug of the program.",
  interrupted: "Stopped by SIGINT.",
  terminated: "Stopped by SIGTERM.",
};

function commandPart({ path, aliases, operands, description, options, epilogue }: CommandNode): string {
  const call = [path.slice(1).join(" "), ...aliases].join(" | ");
  const terms = [call, ...operands.map(({ term }) => term), ...options.length === 0 ? [] : ["[options]"]];
  const shown = options.filter(({ isHidden }) => !isHidden);
  return [
    macro("SS", terms.join(" ")),
    text(description),
    ...shown.map((option) => entry(optionTerm(option), optionText(option))),
    ...epilogue === "" ? [] : [macro("PP"), macro("EX"), ...epilogue.split("\n").map(text), macro("EE")],
  ].join("\n");
}

function optionTerm({ short, long, value }: OptionNode): string {
  const names = [short, long].filter((one) => one !== undefined).map(bold).join(", ");
  return value === undefined ? names : `${names} \\fI${text(value.replace(/[<>]/g, ""))}\\fR`;
}

function optionText({ meaning, variable, variableNote, preset }: OptionNode): string {
  const facts = [
    variable === undefined
      ? undefined
      : `env ${variable}${variableNote === undefined ? "" : `, ${variableNote}`}`,
    preset === undefined ? undefined : `default: ${preset}`,
  ].filter((fact) => fact !== undefined);
  return text(facts.length === 0 ? meaning : `${meaning} (${facts.join("; ")})`);
}

/** Every variable with the flags that it stands for, by name. */
function variablesOf(commands: readonly CommandNode[]): [variable: string, flags: string[]][] {
  const found = new Map<string, Set<string>>();
  for (const { variable, long } of commands.flatMap(({ options }) => options)) {
    if (variable !== undefined) found.set(variable, (found.get(variable) ?? new Set()).add(long));
  }
  return [...found].map(([variable, flags]): [string, string[]] => [variable, [...flags]])
    .toSorted(([a], [b]) => a < b ? -1 : 1);
}

function entry(term: string, body: string): string {
  return [macro("TP"), term, body].join("\n");
}

function macro(name: string, ...words: readonly string[]): string {
  return [`.${name}`, ...words.map((word) => `"${text(word).replaceAll('"', "\\(dq")}"`)].join(" ");
}

function bold(word: string): string {
  return `\\fB${text(word)}\\fR`;
}

/** Text that is nothing but text to roff: no escapes, no requests, and hyphens that can be copied. */
function text(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll(/^([.'])/gm, "\\&$1");
}

function lowerFirst(words: string): string {
  return words.slice(0, 1).toLowerCase() + words.slice(1);
}

const FILES: readonly [path: string, what: string][] = [
  ["<data-dir>/data.ldb", "The ledger, from get --extract."],
  ["<data-dir>/nano-ledger-snapshot.7z", "The archive, where it is kept."],
  ["<data-dir>/.nano-snap/status.json", "What a running instance does; status and health read it."],
  [
    "<data-dir>/.nano-snap/trust.json",
    "The highest sequence number that was ever accepted. Do not remove it.",
  ],
];
