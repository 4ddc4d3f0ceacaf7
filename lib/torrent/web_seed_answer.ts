// What a web seed answers to a request for a part of a file, judged by its head alone: whether its body is that part.

/** Why a server is of no use. */
export class WebSeedFault extends Error {
  override readonly name: string = "WebSeedFault";
  /** @param isFinal It would do the same again: it is not asked any more. */
  constructor(readonly why: string, readonly isFinal: boolean) {
    super(why);
  }
}

/** The bytes that were asked for, of a file of a known length. */
export interface WantedPart {
  readonly at: number;
  readonly length: number;
  readonly fileLength: number;
}

/** The header of a request for it. */
export function rangeOf({ at, length }: WantedPart): string {
  return `bytes=${at}-${at + length - 1}`;
}

/**
 * Passes an answer whose body is exactly what was asked for.
 *
 * @throws {WebSeedFault} Any other.
 * @see RFC 9110, 15.3.7 and 14.4
 */
export function checkAnswer(
  { status, headers }: { readonly status: number; readonly headers: ReadonlyMap<string, string> },
  wanted: WantedPart,
): void {
  if (BUSY.has(status) || status >= 500) throw new WebSeedFault(`answers ${status}`, false);
  const { at, length, fileLength } = wanted;
  const isWhole = at === 0 && length === fileLength;
  if (status === 200 && !isWhole) {
    throw new WebSeedFault("sends the whole file when asked for a part of it (200)", true);
  }
  if (status === 416) throw new WebSeedFault("has a shorter file (416)", true);
  if (status !== 206 && status !== 200) throw new WebSeedFault(`answers ${status}`, true);
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") throw new WebSeedFault("packs what it sends though asked not to", true);
  if (status === 206) checkRange(headers.get("content-range"), wanted);
  const declared = headers.get("content-length");
  if (declared !== undefined && Number(declared) !== length) {
    throw new WebSeedFault(`announces ${shown(declared)} bytes where ${length} were asked for`, true);
  }
}

function checkRange(header: string | undefined, { at, length, fileLength }: WantedPart): void {
  const match = CONTENT_RANGE.exec(header ?? "");
  if (match === null) throw new WebSeedFault("does not say which part it sends", true);
  const [first, last] = [Number(match[1]), Number(match[2])];
  if (match[3] !== "*" && Number(match[3]) !== fileLength) {
    throw new WebSeedFault(`has another file: ${shown(match[3]!)} bytes instead of ${fileLength}`, true);
  }
  if (first !== at || last !== at + length - 1) {
    throw new WebSeedFault(`sends bytes ${shown(`${match[1]}-${match[2]}`)} when asked for others`, true);
  }
}

/** A stranger's text, fit for a log line. */
function shown(text: string): string {
  return text.slice(0, 40);
}

const CONTENT_RANGE = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/;
/** Request timeout, too many requests. */
const BUSY: ReadonlySet<number> = new Set([408, 425, 429]);
