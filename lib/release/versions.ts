// Which of two versions is newer (semver.org, 11). What follows a "+" says nothing about that.

/** Whether it has the shape of a version: digits first, then what versions are made of. No path, no option. */
export function isVersion(text: string): boolean {
  return /^\d[0-9A-Za-z.+-]{0,63}$/.test(text);
}

/** Below 0 when `a` is older, above 0 when it is newer. A pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [partsOf(a), partsOf(b)];
  const byNumbers = compareLists(x.numbers, y.numbers);
  if (byNumbers !== 0) return byNumbers;
  if (x.labels.length === 0 || y.labels.length === 0) return y.labels.length - x.labels.length;
  return compareLists(x.labels, y.labels);
}

function partsOf(version: string): { numbers: string[]; labels: string[] } {
  const [core = ""] = version.split("+");
  const dash = core.indexOf("-");
  if (dash < 0) return { numbers: core.split("."), labels: [] };
  return { numbers: core.slice(0, dash).split("."), labels: core.slice(dash + 1).split(".") };
}

/** Part by part; numbers are older than words; of two that agree so far the shorter is older. */
function compareLists(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x === y) continue;
    const [isNumberX, isNumberY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isNumberX && isNumberY && Number(x) !== Number(y)) return Number(x) - Number(y);
    if (isNumberX !== isNumberY) return isNumberX ? -1 : 1;
    if (!isNumberX) return x < y ? -1 : 1;
  }
  return a.length - b.length;
}
