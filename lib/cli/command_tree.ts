// The program's commands and options as plain data, read from commander's tree: completions, the man page and
// docs/configuration.md are made of it, so that none of them can name what the program does not take.
//
// Our descriptions end in "(env NAME; default: VALUE)", which is read here too.

import type { Command, Option } from "commander";

export interface CommandNode {
  /** The words that call it, the program's name first: "nano-snap", "produce", "seed". */
  readonly path: readonly string[];
  /** Other names for its last word. */
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly operands: readonly OperandNode[];
  /** Without `--help`, which every command has. */
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
  /** What stands below the options in its help. */
  readonly epilogue: string;
}

export interface OperandNode {
  /** "<file>" */
  readonly term: string;
  readonly takes: ValueKind;
  /** Words that it must be one of; empty when anything goes. */
  readonly choices: readonly string[];
}

export interface OptionNode {
  /** "--data-dir" */
  readonly long: string;
  /** "-V" */
  readonly short: string | undefined;
  /** "<dir>"; undefined for one without value. */
  readonly value: string | undefined;
  readonly takes: ValueKind;
  readonly choices: readonly string[];
  /** What it is for, without variable and default. */
  readonly meaning: string;
  /** The variable that stands for it: "DATA_DIR". */
  readonly variable: string | undefined;
  /** What is said about the variable: "a list". */
  readonly variableNote: string | undefined;
  readonly preset: string | undefined;
  /** Taken, but not in the help: upstream's names. */
  readonly isHidden: boolean;
}

/** What a shell may offer for a value. */
export type ValueKind = "nothing" | "file" | "folder" | "choice" | "other";

/** The whole program's tree; every command must have been added to it. */
export function treeOf(program: Command): CommandNode {
  const tree = nodeOf(program, []);
  const choices = tree.commands.map(({ path }) => path.at(-1)!);
  const help: CommandNode = {
    path: [...tree.path, "help"],
    aliases: [],
    summary: "say more about a command",
    description: "Says what a command does and what it takes, as --help after it does.",
    operands: [{ term: "[command]", takes: "choice", choices }],
    options: [],
    commands: [],
    epilogue: "",
  };
  return { ...tree, commands: [...tree.commands, help] };
}

function nodeOf(command: Command, above: readonly string[]): CommandNode {
  const path = [...above, command.name()];
  return {
    path,
    aliases: command.aliases(),
    summary: command.summary(),
    description: command.description(),
    operands: command.registeredArguments.map((argument) => {
      const term = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
      const choices = argument.argChoices ?? [];
      return { term, choices, takes: kindOf(term, choices) };
    }),
    options: command.options.map(optionOf),
    commands: command.commands.map((one) => nodeOf(one, path)),
    epilogue: epilogueOf(command),
  };
}

/** A command and all below it, in the help's order. */
export function flatten(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(flatten)];
}

/** What a shell offers at a command: its options but for hidden ones; a program without a command means `swarm`. */
export function offeredAt(node: CommandNode): readonly OptionNode[] {
  const meant = node.path.length > 1 ? undefined : node.commands.find(({ path }) => path.at(-1) === "swarm");
  return [...node.options, ...meant?.options ?? []].filter(({ isHidden }) => !isHidden);
}

function optionOf(option: Option): OptionNode {
  const value = /[<[].*[>\]]/.exec(option.flags)?.[0];
  const { meaning, facts } = splitDescription(option.description);
  const variable = /^env ([A-Z][A-Z0-9_]+)(?:,? (.*))?$/.exec(
    facts.find((fact) => fact.startsWith("env ")) ?? "",
  );
  const preset = facts.find((fact) => fact.startsWith("default: "))?.slice("default: ".length);
  const choices = value !== undefined && CHOSEN.test(value) ? choicesIn(meaning) : [];
  return {
    long: option.long ?? option.flags,
    short: option.short,
    value,
    takes: value === undefined ? "nothing" : kindOf(value, choices),
    choices,
    meaning,
    variable: variable?.[1],
    variableNote: variable?.[2],
    preset,
    isHidden: option.hidden,
  };
}

/** "meaning (env X; default: y)" in its parts; other words in brackets belong to the meaning. */
function splitDescription(description: string): { meaning: string; facts: readonly string[] } {
  const match = /^(.*?) ?\(((?:env|default:) .*)\)$/s.exec(description);
  return match === null
    ? { meaning: description, facts: [] }
    : { meaning: match[1]!, facts: match[2]!.split("; ") };
}

/** The last list of a sentence: "log lines as text or json" gives two. */
function choicesIn(meaning: string): readonly string[] {
  const list = /((?:[\w.]+, )*[\w.]+) or ([\w.]+)$/.exec(meaning);
  return list === null ? [] : [...list[1]!.split(", "), list[2]!];
}

function kindOf(value: string, choices: readonly string[]): ValueKind {
  if (choices.length > 0) return "choice";
  if (/file|path|program/.test(value)) return "file";
  return /dir/.test(value) ? "folder" : "other";
}

function epilogueOf(command: Command): string {
  let text = "";
  const write = (part: string) => text += part;
  // What commander does itself after a command's help; its types leave out that a command is an EventEmitter.
  (command as unknown as { emit(event: string, context: object): void })
    .emit("afterHelp", { error: false, command, write });
  return text.trim();
}

/** Values that are one of a few words, which the option's meaning names. */
const CHOSEN = /^<(level|format)>$/;
