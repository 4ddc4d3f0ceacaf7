// `nano-snap completions SHELL`: a script that teaches a shell our commands, options and values.

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { treeOf } from "./command_tree.ts";
import { bashCompletions } from "./completions_bash.ts";
import { fishCompletions } from "./completions_fish.ts";
import { zshCompletions } from "./completions_zsh.ts";
import { parseChoice } from "./values.ts";

/** Adds the command to the program. All others must be there when it runs. */
export function addCompletions(program: Command, context: CliContext): void {
  const command = program.command("completions")
    .summary("a completion script for bash, zsh or fish")
    .description("Writes a script that lets a shell complete commands, options and their values.");
  const shell = command.createArgument("<shell>", "bash, zsh or fish");
  shell.argChoices = [...SHELLS];
  command.addArgument(shell);
  command.addHelpText("after", EXAMPLES);
  command.action((word: string) => {
    const tree = treeOf(program);
    switch (parseChoice({ text: word, name: "the shell" }, SHELLS)) {
      case "bash":
        return context.stdout(bashCompletions(tree));
      case "zsh":
        return context.stdout(zshCompletions(tree));
      case "fish":
        return context.stdout(fishCompletions(tree));
    }
  });
}

const SHELLS = ["bash", "zsh", "fish"] as const;

const EXAMPLES = `
Examples:
  source <(nano-snap completions bash)    in this shell, or as a line of ~/.bashrc
  source <(nano-snap completions zsh)     the same, in ~/.zshrc below compinit
  nano-snap completions fish | source     the same, in ~/.config/fish/config.fish

Where a shell has a folder for completions, it may lie there as a file: nano-snap for bash, _nano-snap for zsh,
nano-snap.fish for fish.`;
