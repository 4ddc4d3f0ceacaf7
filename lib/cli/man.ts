// `nano-snap man`: the manual page, for packagers and for `man -l -`.

import type { Command } from "commander";
import { BUILD, VERSION } from "../about.ts";
import { treeOf } from "./command_tree.ts";
import type { CliContext } from "./context.ts";
import { manPage } from "./man_page.ts";

/** Adds the command to the program. All others must be there when it runs. */
export function addMan(program: Command, context: CliContext): void {
  const command = program.command("man")
    .summary("the manual page")
    .description("Writes the manual page of all commands, in the format that man reads.");
  command.addHelpText("after", EXAMPLES);
  command.action(() => {
    const date = BUILD?.date.slice(0, 10) ?? "";
    context.stdout(manPage(treeOf(program), { version: VERSION, date }));
  });
}

const EXAMPLES = `
Examples:
  nano-snap man | man -l -    read it

For everybody, as root: nano-snap man | install -Dm644 /dev/stdin /usr/local/share/man/man1/nano-snap.1`;
