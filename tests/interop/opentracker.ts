// Debian's opentracker on loopback, HTTP and UDP on one number: a tracker that others wrote and run. It knows only the
// info-hashes that it was given at its start.

import {
  type ProgramResult,
  type RunningProgram,
  startProgram,
  type TempDir,
  tempDir,
  within,
} from "./support.ts";

/** What it counts of one swarm. */
export interface Scrape {
  /** Peers with everything, and those without. */
  readonly complete: number;
  readonly incomplete: number;
  /** How often somebody said that he became complete. */
  readonly downloaded: number;
}

export class OpenTracker implements AsyncDisposable {
  readonly port: number;
  readonly #program: RunningProgram;
  readonly #dir: TempDir;

  private constructor(port: number, program: RunningProgram, dir: TempDir) {
    this.port = port;
    this.#program = program;
    this.#dir = dir;
  }

  /** @param port As `freePort` gives it. `hashes`: in hex; of a v2 hash the first 40 digits count. */
  static async start(port: number, hashes: readonly string[]): Promise<OpenTracker> {
    const dir = await tempDir();
    await Deno.writeTextFile(dir.join("whitelist"), hashes.map((hash) => `${hash.slice(0, 40)}\n`).join(""));
    // As root it locks itself into the folder and goes on as nobody.
    await Deno.chmod(dir.path, 0o755);
    const words = ["-i", "127.0.0.1", "-p", `${port}`, "-P", `${port}`, "-d", dir.path, "-w", "whitelist"];
    const program = startProgram("opentracker", words, { cwd: dir.path, deadlineMs: 600_000 });
    const tracker = new OpenTracker(port, program, dir);
    try {
      await tracker.#until(() => tracker.scrape(hashes[0]!).then(() => true, () => false), "it answers");
      return tracker;
    } catch (error) {
      await tracker[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All of them 0 for a swarm of which it has not heard. */
  async scrape(hash: string): Promise<Scrape> {
    const escaped = hash.slice(0, 40).replaceAll(/../g, "%$&");
    const response = await fetch(`http://127.0.0.1:${this.port}/scrape?info_hash=${escaped}`);
    const text = [...new Uint8Array(await response.arrayBuffer())].map((byte) => String.fromCharCode(byte))
      .join("");
    const [, complete, downloaded, incomplete] =
      /d8:completei(\d+)e10:downloadedi(\d+)e10:incompletei(\d+)ee/.exec(text) ?? [];
    return {
      complete: Number(complete ?? 0),
      incomplete: Number(incomplete ?? 0),
      downloaded: Number(downloaded ?? 0),
    };
  }

  /** Resolves when each of the swarms has that many peers. Nothing tells when one comes or goes: it is asked again. */
  async has(hashes: readonly string[], expected: Partial<Scrape>): Promise<void> {
    let last: Scrape[] = [];
    const isSo = async () => {
      last = await Promise.all(hashes.map((hash) => this.scrape(hash)));
      return last.every((one) =>
        Object.entries(expected).every(([name, value]) => one[name as keyof Scrape] === value)
      );
    };
    await this.#until(isSo, JSON.stringify(expected), () => `, it has ${JSON.stringify(last)}`);
  }

  async #until(isSo: () => Promise<boolean>, what: string, explain = () => ""): Promise<void> {
    let isOver = false;
    const asking = (async () => {
      while (!isOver && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
    })();
    try {
      await within(Promise.race([asking, this.#ended()]), 30_000, `opentracker: ${what}`, explain);
    } finally {
      isOver = true;
    }
  }

  async #ended(): Promise<never> {
    const { code, stderr }: ProgramResult = await this.#program.finished();
    throw new Error(`opentracker ended with ${code}: ${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await this.#dir[Symbol.asyncDispose]();
  }
}
