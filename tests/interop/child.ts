// What every child process needs: a deadline that explains itself, its output by line, an end that is safe twice.

/** The interpreter that has Debian's python3-libtorrent; a version manager's `python3` on PATH would not. */
export const PYTHON = Deno.env.get("NANO_SNAP_PYTHON") ?? "/usr/bin/python3";

/** `promise`, or an error that names `what` after `deadlineMs`. `explain` adds what helps to find out why. */
export async function within<T>(
  promise: Promise<T>,
  deadlineMs: number,
  what: string,
  explain: () => string = () => "",
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${deadlineMs} ms${explain()}`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A child that has just ended by itself is fine. */
export function killChild(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A stream's lines, without their newline. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** The last lines a child wrote, for an error message. */
export function stderrTail(lines: readonly string[]): string {
  if (lines.length === 0) return " (it wrote nothing to stderr)";
  return "\n  stderr: " + lines.slice(-20).join("\n  stderr: ");
}
