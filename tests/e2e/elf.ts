// Reads from a Linux program what it needs of the system: its libraries, and the newest glibc symbol version it asks for.
// Only what 64-bit little-endian ELF files have (System V ABI; .gnu.version_r as in the LSB).

export interface ElfNeeds {
  /** Names of shared libraries, in the file's order. */
  readonly libraries: readonly string[];
  /** "2.27". */
  readonly glibc: string;
}

/** @throws {Error} When it is no such file. */
export function elfNeeds(bytes: Uint8Array): ElfNeeds {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error("not a 64-bit ELF file");
  }
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const u32 = (at: number) => view.getUint32(at, true);
  const u16 = (at: number) => view.getUint16(at, true);
  const sections = Array.from({ length: u16(0x3c) }, (_, i) => {
    const at = u64(0x28) + i * u16(0x3a);
    return { type: u32(at + 4), offset: u64(at + 0x18), size: u64(at + 0x20), link: u32(at + 0x28) };
  });
  const text = (at: number) => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
  const one = (type: number) => {
    const section = sections.find((section) => section.type === type);
    if (section === undefined) throw new Error(`no section of type ${type}`);
    return { ...section, strings: sections[section.link]!.offset };
  };

  const dynamic = one(DYNAMIC);
  const libraries: string[] = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (u64(at) === NEEDED) libraries.push(text(dynamic.strings + u64(at + 8)));
  }

  const verneed = one(GNU_VERNEED);
  const versions: string[] = [];
  for (let at = verneed.offset, next = 1; next !== 0; at += next) {
    for (let aux = at + u32(at + 8), step = 1; step !== 0; aux += step) {
      versions.push(text(verneed.strings + u32(aux + 8)));
      step = u32(aux + 12);
    }
    next = u32(at + 12);
  }
  const glibc = versions.flatMap((name) => /^GLIBC_(\d+\.\d+)/.exec(name)?.[1] ?? []);
  return { libraries, glibc: glibc.toSorted(byVersion).at(-1) ?? "none" };
}

function byVersion(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}

const DYNAMIC = 6;
const GNU_VERNEED = 0x6ffffffe;
const NEEDED = 1;
