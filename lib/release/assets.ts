// The files of a release, by the system that each is for. The installer knows the same names (install.sh).

/** A release's program for one system. */
export interface Asset {
  /** As in "nano-snap-linux-x64". */
  readonly system: string;
  /** Deno's and Rust's name of it. */
  readonly target: string;
  /** The file's name; beside it lies NAME.gz. */
  readonly name: string;
}

/** Every system that a release has a program for. */
export const ASSETS: readonly Asset[] = [
  asset("linux-x64", "x86_64-unknown-linux-gnu"),
  asset("linux-arm64", "aarch64-unknown-linux-gnu"),
  asset("darwin-x64", "x86_64-apple-darwin"),
  asset("darwin-arm64", "aarch64-apple-darwin"),
  asset("windows-x64", "x86_64-pc-windows-msvc", ".exe"),
];

/** undefined: no release has a program for such a system. */
export function assetFor(target: string): Asset | undefined {
  return ASSETS.find((one) => one.target === target);
}

function asset(system: string, target: string, ending = ""): Asset {
  return { system, target, name: `nano-snap-${system}${ending}` };
}
