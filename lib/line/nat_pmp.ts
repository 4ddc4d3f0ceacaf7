// NAT-PMP (RFC 6886) in bytes: asking a router to pass a port on, and what it answers. No state.

/** UDP, of the router. */
export const NAT_PMP_PORT = 5351;

export type MappedProtocol = "tcp" | "udp";

/** What a router answers to a wish for a mapping. */
export interface MappingAnswer {
  /** undefined when it agreed; otherwise why not, for people. */
  readonly refusal: string | undefined;
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeSeconds: number;
}

/** Asks for the same port outside. @param lifetimeSeconds 0 takes the mapping back. */
export function encodeMapping(protocol: MappedProtocol, port: number, lifetimeSeconds: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, OPCODES[protocol]);
  view.setUint16(4, port);
  // A mapping is taken back for external port 0.
  view.setUint16(6, lifetimeSeconds === 0 ? 0 : port);
  view.setUint32(8, lifetimeSeconds);
  return bytes;
}

/** undefined for what is no answer to such a wish. */
export function parseMapping(protocol: MappedProtocol, bytes: Uint8Array): MappingAnswer | undefined {
  const result = resultOf(bytes, OPCODES[protocol], 16);
  if (result === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const hasPorts = bytes.length >= 16;
  return {
    refusal: result === 0 ? undefined : REFUSALS[result] ?? `it answers ${result}`,
    internalPort: hasPorts ? view.getUint16(8) : 0,
    externalPort: hasPorts ? view.getUint16(10) : 0,
    lifetimeSeconds: hasPorts ? view.getUint32(12) : 0,
  };
}

/** Asks for the router's own address outside. */
export function encodeAddressQuestion(): Uint8Array {
  return new Uint8Array(2);
}

/** undefined for what is no such answer, or a refusal. */
export function parseAddress(bytes: Uint8Array): string | undefined {
  return resultOf(bytes, 0, 12) === 0 ? bytes.subarray(8, 12).join(".") : undefined;
}

/** A refusal may end after its 8 bytes of head. */
function resultOf(bytes: Uint8Array, opcode: number, length: number): number | undefined {
  if (bytes.length < 8 || bytes[0] !== 0 || bytes[1] !== 128 + opcode) return undefined;
  const result = bytes[2]! * 256 + bytes[3]!;
  return result === 0 && bytes.length < length ? undefined : result;
}

const OPCODES = { udp: 1, tcp: 2 } as const;
const REFUSALS: Readonly<Record<number, string>> = {
  1: "it speaks another version",
  2: "it is set to allow no mappings",
  3: "it has no address outside",
  4: "it has no room for more mappings",
  5: "it knows no mappings",
};
