// When web seeds are asked: never in place of peers that give. Nobody knows what the line could take, so it is tried:
//
//   waiting ----> helping      no peer sends anything, or peers alone had their time and a trial is due
//      ^_____________|         the trial shows that peers give less since, or hardly anything is gained; or it is time
//                              to measure again what peers give alone
//
// A core: it is told the time and what came.

/** What is looked at. */
export interface WebSeedMoment {
  readonly nowMs: number;
  /** All that peers ever sent. */
  readonly peersBytes: number;
  /** Bytes per second of late, by peers and by web seeds. */
  readonly peersRate: number;
  readonly webRate: number;
  /** The user's limit for all that comes; undefined for none. */
  readonly lineRate: number | undefined;
}

/** Peers that have sent nothing for so long do not give; connecting, hashes and unchoking take less. */
const SILENCE_MS = 5_000;
/** How long peers are alone before a trial: at first, between two that helped, and after one that did not. */
const FIRST_PATIENCE_MS = 15_000;
const SECOND_PATIENCE_MS = 10_000;
const REST_MS = 60_000;
/** A rate looks back three seconds: after this long it shows what a trial brought. */
const TRIAL_MS = 10_000;
/** After so long peers are measured alone again; each time that it helped, twice as long. */
const FIRST_HELP_MS = 60_000;
const LONGEST_HELP_MS = 600_000;
/** Of the user's limit: peers that give so much fill it. */
const FULL = 0.9;
/** Of what peers gave alone: giving less than this while web seeds help, they were pushed aside. */
const UNHARMED = 0.75;
/** Of all that comes: what web seeds bring beyond this is worth their while. */
const WORTH = 0.2;

export class WebSeedRule {
  #sinceMs: number;
  #patienceMs = FIRST_PATIENCE_MS;
  #helpMs = FIRST_HELP_MS;
  #isHelping = false;
  /** What peers gave alone, just before. */
  #aloneRate = 0;
  #heardMs: number;
  #peersBytes = 0;

  /** Peers have just been asked for the first time. */
  constructor(nowMs: number) {
    this.#sinceMs = this.#heardMs = nowMs;
  }

  /** To be called once or twice a second. @returns Whether web seeds are to be asked now. */
  look(moment: WebSeedMoment): boolean {
    const { nowMs, peersBytes } = moment;
    if (peersBytes > this.#peersBytes) this.#heardMs = nowMs;
    this.#peersBytes = peersBytes;
    const isSilent = nowMs - this.#heardMs >= SILENCE_MS;
    if (this.#isHelping) this.#mayRest(moment, isSilent);
    else this.#mayHelp(moment, isSilent);
    return this.#isHelping;
  }

  #mayHelp({ nowMs, peersRate, lineRate = Infinity }: WebSeedMoment, isSilent: boolean): void {
    const isDue = nowMs - this.#sinceMs >= this.#patienceMs && peersRate < FULL * lineRate;
    if (!isSilent && !isDue) return;
    this.#isHelping = true;
    this.#sinceMs = nowMs;
    this.#aloneRate = isSilent ? 0 : peersRate;
  }

  #mayRest({ nowMs, peersRate, webRate, lineRate = Infinity }: WebSeedMoment, isSilent: boolean): void {
    const helpedMs = nowMs - this.#sinceMs;
    if (isSilent || helpedMs < TRIAL_MS) return;
    const isHarmful = peersRate < UNHARMED * this.#aloneRate;
    const isNeedless = webRate < WORTH * (peersRate + webRate) || peersRate >= FULL * lineRate;
    if (isHarmful || isNeedless) return this.#rest(nowMs, REST_MS, FIRST_HELP_MS);
    if (helpedMs < this.#helpMs) return;
    this.#rest(nowMs, SECOND_PATIENCE_MS, Math.min(2 * this.#helpMs, LONGEST_HELP_MS));
  }

  #rest(nowMs: number, patienceMs: number, helpMs: number): void {
    this.#isHelping = false;
    this.#sinceMs = nowMs;
    this.#patienceMs = patienceMs;
    this.#helpMs = helpMs;
  }
}
