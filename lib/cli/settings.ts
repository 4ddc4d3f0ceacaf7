// The settings of a mirror: read at the start, and again at each SIGHUP where they lie in a file. What can change while it
// runs then does, and a line says what did; what cannot is named. A file that makes no sense changes nothing, nor does
// one that was there and is not any more: an editor may be putting another into its place.

import { formatEndpoint } from "../endpoint.ts";
import { PathUnusable, SnapError } from "../errors.ts";
import type { Report } from "../events.ts";
import { formatRate, formatSeconds } from "../format.ts";
import type { FollowOptions, LiveSettings } from "../mirror/follow_options.ts";
import type { Endpoint, Files } from "../ports.ts";
import type { CliContext } from "./context.ts";
import { EnvFile } from "./env_file.ts";
import { METRICS_PORTS, readMetricsAddress } from "./metrics_options.ts";
import { Inputs, readViewSettings, type ViewSettings } from "./options.ts";
import type { ChangeLevel } from "./run_view.ts";
import { readFollowOptions } from "./swarm_options.ts";
import { type FileVariables, withoutFile } from "./inputs.ts";

/** All that words, environment and file say. */
export interface MirrorSettings {
  readonly view: ViewSettings;
  readonly metrics: Endpoint | undefined;
  readonly options: FollowOptions;
  /** Sentences for the user. */
  readonly warnings: readonly string[];
}

export interface SettingsSources {
  /** Commander's. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly context: Pick<CliContext, "env" | "stderrIsTerminal">;
  readonly files: Pick<Files, "read">;
}

export class Settings {
  readonly #sources: SettingsSources;
  readonly #file: EnvFile | undefined;
  /** The environment without what came into it from the file. */
  readonly #env: Readonly<Record<string, string | undefined>>;
  #current: MirrorSettings;
  /** The variables that the file set when it was read last; undefined while it was never there. */
  #ofFile: readonly string[] | undefined;
  /** What was said of the next start. */
  #toldForNext = "";

  private constructor(sources: SettingsSources) {
    this.#sources = sources;
    const { flags, context: { env } } = sources;
    this.#file = EnvFile.named(new Inputs(flags, env));
    const { variables, warning } = this.#readAtStart();
    this.#ofFile = variables && namesIn(variables);
    this.#env = variables === undefined ? env : withoutFile(env, variables);
    const settings = this.#read(variables);
    const { warnings } = settings;
    this.#current = { ...settings, warnings: warning === undefined ? warnings : [...warnings, warning] };
  }

  /** @throws {UsageError} When something makes no sense. @throws {PathUnusable} When the file cannot be read. */
  static open(sources: SettingsSources): Settings {
    return new Settings(sources);
  }

  get current(): MirrorSettings {
    return this.#current;
  }

  /**
   * Reads the file again, and tells what came of it.
   *
   * @returns What holds now; undefined where there is no file, or nothing in it that holds.
   */
  readAgain(report: Report, changeLevel: ChangeLevel): LiveSettings | undefined {
    if (this.#file === undefined) return undefined;
    const note = (level: "info" | "warning", text: string) =>
      report({ kind: "note", level, logger: "mirror.watcher", text });
    let next: MirrorSettings;
    try {
      const variables = this.#file.read(this.#sources.files);
      if (variables.isMissing === true && this.#ofFile !== undefined) {
        note("warning", keptText(this.#file.path, this.#ofFile));
        return undefined;
      }
      next = this.#read(variables);
      this.#ofFile = namesIn(variables);
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      note("warning", `The settings stay as they were: ${error.message}`);
      return undefined;
    }
    const before = this.#current;
    const { changed, forNext } = changesBetween(before, next);
    if (before.view.level !== next.view.level) changeLevel(next.view.level);
    const said = changed.length === 0 ? "nothing has changed" : changed.join(", ");
    note("info", `Settings read again from ${this.#file.path}: ${said}`);
    for (const text of next.warnings) if (!before.warnings.includes(text)) note("warning", text);
    const text = `Needs a restart to take effect: ${forNext.join(", ")}`;
    if (forNext.length > 0 && text !== this.#toldForNext) note("warning", text);
    this.#toldForNext = forNext.length > 0 ? text : "";
    // What needs a restart is compared with what holds, not with what was wanted last.
    const { options, view } = next;
    this.#current = {
      view: { ...before.view, level: view.level },
      metrics: before.metrics,
      options: { ...before.options, ...liveOf(options) },
      warnings: next.warnings,
    };
    return liveOf(options);
  }

  /** A file that only root can read may be in the environment by systemd's hand: then there is no reading it again. */
  #readAtStart(): { variables?: FileVariables | undefined; warning?: string } {
    try {
      return { variables: this.#file?.read(this.#sources.files) };
    } catch (error) {
      if (!(error instanceof PathUnusable) || this.#file?.mayBeMissing !== true) throw error;
      return { warning: `${error.message}: what the environment says holds until the end` };
    }
  }

  #read(variables: FileVariables | undefined): MirrorSettings {
    const { flags, context } = this.#sources;
    const inputs = new Inputs(flags, this.#env, variables);
    const view = readViewSettings(inputs, context.stderrIsTerminal);
    const { options, warnings } = readFollowOptions(inputs);
    const metrics = readMetricsAddress(inputs, METRICS_PORTS.mirror);
    const unread = inputs.unread(context.env).filter((name) => name !== "NANO_SNAP_ENV_FILE");
    return {
      view,
      metrics,
      options: { ...options, isChangeable: this.#file !== undefined },
      warnings: [
        ...warnings,
        ...unread.map((name) => `${this.#file!.path} sets ${name}, which is no setting of a mirror`),
      ],
    };
  }
}

/** The variables that a file sets; undefined when there is no file. */
function namesIn({ values, isMissing }: FileVariables): string[] | undefined {
  if (isMissing === true) return undefined;
  return [...values].filter(([, value]) => value.trim() !== "").map(([name]) => name).toSorted();
}

/** For who asks to have a file read that is away: what of it still holds. */
function keptText(path: string, names: readonly string[]): string {
  if (names.length === 0) return `${path} is not there: it was empty before, so nothing changes`;
  return `${path} is not there: what it set stays as it was, ${
    names.join(", ")
  } (to be rid of that, make it empty or restart)`;
}

function liveOf(options: FollowOptions): LiveSettings {
  const names = Object.keys(LIVE) as (keyof LiveSettings)[];
  return Object.fromEntries(names.map((name) => [name, options[name]])) as unknown as LiveSettings;
}

/** @returns What is another now, in words; and the names of what would be, after a restart. */
function changesBetween(
  before: MirrorSettings,
  after: MirrorSettings,
): { changed: string[]; forNext: string[] } {
  const isOther = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b);
  const changed = (Object.keys(LIVE) as (keyof LiveSettings)[])
    .filter((name) => isOther(before.options[name], after.options[name]))
    .map((name) => LIVE[name](after.options));
  if (before.view.level !== after.view.level) changed.push(`log level ${after.view.level}`);
  const forNext = Object.entries(FIXED)
    .filter(([, value]) => isOther(value(before), value(after)))
    .map(([name]) => name);
  return { changed, forNext };
}

const rate = (limit: number | undefined) => limit === undefined ? "none" : formatRate(limit);
const list = (all: readonly string[]) => all.length === 0 ? "none" : all.join(" ");

/** Each in words. */
const LIVE: Readonly<Record<keyof LiveSettings, (options: FollowOptions) => string>> = {
  upLimit: ({ upLimit }) => `up limit ${rate(upLimit)}`,
  downLimit: ({ downLimit }) => `down limit ${rate(downLimit)}`,
  webSeedLimit: ({ webSeedLimit }) => `web seed limit ${rate(webSeedLimit)}`,
  schedule: ({ schedule = [] }) => `${schedule.length} limits by the hour`,
  maxPeers: ({ maxPeers }) => `at most ${maxPeers} connections`,
  pollMs: ({ pollMs }) => `poll interval ${formatSeconds(pollMs / 1000)}`,
  keep: ({ keep }) => `older snapshots kept: ${keep}`,
  refresh: ({ refresh }) => `refresh ${refresh ? "on" : "off"}`,
  onUpdate: ({ onUpdate }) => `on update ${onUpdate ?? "nothing"}`,
  peers: ({ peers }) => `peers ${list(peers.map(formatEndpoint))} (from the next fetch on)`,
  webSeeds: ({ webSeeds }) =>
    `web seeds ${webSeeds?.enabled === true ? list(webSeeds.named) : "off"} (from the next fetch on)`,
};

/** What holds until the end, by its flag. */
const FIXED: Readonly<Record<string, (settings: MirrorSettings) => unknown>> = {
  "--authority": ({ options }) => options.authorityKey,
  "--salt": ({ options }) => options.salt,
  "--data-dir": ({ options }) => options.dataDir,
  "--port": ({ options }) => options.port,
  "--dht-bootstrap": ({ options }) => options.dht,
  "--no-port-mapping": ({ options }) => options.portMapping,
  "--no-lsd": ({ options }) => options.lsd,
  "--metrics-port": ({ metrics }) => metrics,
  "--no-color": ({ view }) => view.color,
};
