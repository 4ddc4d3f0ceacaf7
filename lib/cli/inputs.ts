// The words of a command line, the environment, and a file of variables, before anybody says what they mean.

import type { Given } from "./values.ts";

/** What a file of variables holds. */
export interface FileVariables {
  readonly path: string;
  readonly values: ReadonlyMap<string, string>;
  /** Whether there is no such file. */
  readonly isMissing?: boolean;
}

/**
 * What was given, by flag, environment or file, in this order. An empty variable counts as not set: compose files make
 * such.
 */
export class Inputs {
  readonly #flags: Readonly<Record<string, unknown>>;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #file: FileVariables | undefined;
  readonly #asked = new Set<string>();

  constructor(
    flags: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string | undefined>>,
    file?: FileVariables,
  ) {
    this.#flags = flags;
    this.#env = env;
    this.#file = file;
  }

  /** The flag's value, otherwise the first variable's that is set. */
  text(flag: string, ...variables: readonly string[]): Given | undefined {
    const others = variables.map((name) => this.variable(name));
    const value = this.#flags[memberOf(flag)];
    if (typeof value === "string") return { text: value, name: flag };
    return others.find((given) => given !== undefined);
  }

  /** Every value of a flag that may come several times. */
  list(flag: string): Given[] {
    const values = this.#flags[memberOf(flag)];
    return Array.isArray(values) ? values.map((text) => ({ text: String(text), name: flag })) : [];
  }

  variable(name: string): Given | undefined {
    this.#asked.add(name);
    const text = this.#env[name]?.trim();
    if (text !== undefined && text !== "") return { text, name };
    const line = this.#file?.values.get(name)?.trim();
    return line === undefined || line === ""
      ? undefined
      : { text: line, name: `${name} in ${this.#file!.path}` };
  }

  /** Whether a flag without value is there. */
  isOn(flag: string): boolean {
    return this.#flags[memberOf(flag)] === true;
  }

  /** Whether `--no-<name>` is there. */
  isOff(name: string): boolean {
    return this.#flags[name] === false;
  }

  /** Names in the file that nobody has asked for, nor are in `env`: mistyped, for all we know. */
  unread(env: Readonly<Record<string, string | undefined>>): string[] {
    const names = [...this.#file?.values.keys() ?? []];
    return names.filter((name) => !this.#asked.has(name) && env[name] === undefined);
  }
}

/**
 * The environment without what came into it from a file: systemd and docker can put the same file there, and what it said
 * at the start must not outlive a change of it.
 */
export function withoutFile(
  env: Readonly<Record<string, string | undefined>>,
  { values }: FileVariables,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => values.get(name) !== value));
}

/** Every `--x VALUE` that may come several times ends up in one list. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** The member of commander's options object: "--data-dir" is `dataDir`. */
function memberOf(flag: string): string {
  return flag.replace(/^--/, "").replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
