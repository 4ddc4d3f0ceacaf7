// `--env-file`: variables from a file, read at the start and again at each SIGHUP, so that a mirror's settings can change
// while it runs. The form is that of systemd's EnvironmentFile and of docker's --env-file: NAME=value, a line each.

import type { Command } from "commander";
import { parseUtf8 } from "../bytes.ts";
import { PathUnusable, UsageError } from "../errors.ts";
import type { Files } from "../ports.ts";
import type { FileVariables, Inputs } from "./inputs.ts";
import type { Given } from "./values.ts";

/** Adds the flag. */
export function addEnvFile(command: Command): Command {
  return command.option(
    "--env-file <file>",
    "variables as NAME=value lines, read again at SIGHUP; -FILE may be missing (env NANO_SNAP_ENV_FILE)",
  );
}

/** A file of variables; what is in it may be another thing each time. */
export class EnvFile {
  readonly path: string;
  readonly mayBeMissing: boolean;

  /** @param given A path; with "-" before it the file need not be there, as systemd has it. */
  constructor(given: Given) {
    this.mayBeMissing = given.text.startsWith("-");
    this.path = this.mayBeMissing ? given.text.slice(1) : given.text;
    if (this.path === "") throw new UsageError(`${given.name} must be a file, not "${given.text}"`);
  }

  /** The one that flag or environment name. */
  static named(inputs: Inputs): EnvFile | undefined {
    const given = inputs.text("--env-file", "NANO_SNAP_ENV_FILE");
    return given && new EnvFile(given);
  }

  /**
   * Reads it.
   *
   * @throws {PathUnusable} When it cannot be read, or is not there and must be.
   * @throws {UsageError} When a line is none of NAME=value.
   */
  read(files: Pick<Files, "read">): FileVariables {
    const bytes = files.read(this.path, MAX_FILE_BYTES);
    if (bytes === undefined && !this.mayBeMissing) {
      throw new PathUnusable(`Cannot read ${this.path}: there is no such file`);
    }
    const text = parseUtf8(bytes ?? new Uint8Array());
    if (text === undefined) throw new UsageError(`${this.path} is no text in UTF-8`);
    return { path: this.path, values: parseVariables(text, this.path), isMissing: bytes === undefined };
  }
}

/**
 * NAME=value lines. Empty lines and those that begin with # or ; say nothing; quotes around a value are not part of it;
 * of two lines with one name the last counts.
 *
 * @param path For the refusal.
 * @throws {UsageError}
 */
export function parseVariables(text: string, path: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line.trim();
    if (words === "" || words.startsWith("#") || words.startsWith(";")) continue;
    const match = LINE.exec(words);
    if (match === null) throw new UsageError(`${path}, line ${index + 1}, is not NAME=value`);
    const [, name = "", double, single, plain = ""] = match;
    variables.set(name, double ?? single ?? plain);
  }
  return variables;
}

const LINE = /^([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^"'].*)?)$/;
/** Thousands of lines. */
const MAX_FILE_BYTES = 65_536;
