// The words of a command line and the environment, before anybody says what they mean.

import type { Given } from "./values.ts";

/** What was given, by flag or environment. An empty variable counts as not set: compose files make such. */
export class Inputs {
  readonly #flags: Readonly<Record<string, unknown>>;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string | undefined>>) {
    this.#flags = flags;
    this.#env = env;
  }

  /** The flag's value, otherwise the first variable's that is set. */
  text(flag: string, ...variables: readonly string[]): Given | undefined {
    const value = this.#flags[memberOf(flag)];
    if (typeof value === "string") return { text: value, name: flag };
    return variables.map((name) => this.variable(name)).find((given) => given !== undefined);
  }

  /** Every value of a flag that may come several times. */
  list(flag: string): Given[] {
    const values = this.#flags[memberOf(flag)];
    return Array.isArray(values) ? values.map((text) => ({ text: String(text), name: flag })) : [];
  }

  variable(name: string): Given | undefined {
    const text = this.#env[name]?.trim();
    return text === undefined || text === "" ? undefined : { text, name };
  }

  /** Whether a flag without value is there. */
  isOn(flag: string): boolean {
    return this.#flags[memberOf(flag)] === true;
  }

  /** Whether `--no-<name>` is there. */
  isOff(name: string): boolean {
    return this.#flags[name] === false;
  }
}

/** Every `--x VALUE` that may come several times ends up in one list. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** The member of commander's options object: "--data-dir" is `dataDir`. */
function memberOf(flag: string): string {
  return flag.replace(/^--/, "").replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
