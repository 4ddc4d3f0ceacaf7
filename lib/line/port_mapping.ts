// Has the router pass our port on to us, by NAT-PMP where it speaks that, otherwise by UPnP; renews that at half of its
// time and takes it back at the end. The port outside is our own or none: it is what trackers and the DHT tell others.
//
// Both are written here because no library did: @silentbot1/nat-api never renews by NAT-PMP, ignores which port it was
// given, and any datagram of less than two bytes ends the program; @achingbrain/nat-port-mapper asks only for version 2
// of UPnP's service, and brings 55 packages.

import { OperationFailed } from "../errors.ts";
import type { Clock, Endpoint, HttpStreams, Net, Surroundings, UdpSocket } from "../ports.ts";
import {
  encodeAddressQuestion,
  encodeMapping,
  type MappedProtocol,
  NAT_PMP_PORT,
  parseAddress,
  parseMapping,
} from "./nat_pmp.ts";
import {
  type Control,
  encodeOrder,
  findControl,
  ONLY_PERMANENT,
  parseSearchAnswer,
  refusalIn,
  SEARCHED,
  searchFor,
  SSDP,
  textOf,
} from "./upnp.ts";

/** What came of asking the router. */
export type MappingOutcome =
  | { readonly kind: "mapped"; readonly by: "NAT-PMP" | "UPnP"; readonly outside: string | undefined }
  /** For people: why not. */
  | { readonly kind: "refused"; readonly why: string };

export interface PortMappingOptions {
  readonly clock: Clock;
  readonly net: Net;
  readonly http: HttpStreams;
  readonly surroundings: Surroundings;
  /** TCP, and UDP where `udp`. */
  readonly port: number;
  readonly udp: boolean;
  /** The address that we listen on; undefined for all. */
  readonly bind: string | undefined;
  /** Told after each try whose outcome is another than the last one's. */
  readonly onOutcome: (outcome: MappingOutcome) => void;
}

/** A mapping that is there. */
interface Mapping {
  readonly by: "NAT-PMP" | "UPnP";
  readonly outside: string | undefined;
  readonly lifetimeMs: number;
  remove(signal: AbortSignal): Promise<void>;
}

/** Runs until the signal aborts, and for at most two seconds more. */
export async function keepPortMapped(options: PortMappingOptions, signal: AbortSignal): Promise<void> {
  const { clock, onOutcome } = options;
  let mapping: Mapping | undefined;
  let told = "";
  while (!signal.aborted) {
    const reached = await map(options, signal);
    if (signal.aborted && typeof reached === "string") break;
    // What is refused at a renewal may still be there, and is to be taken back.
    if (typeof reached !== "string") mapping = reached;
    const outcome: MappingOutcome = typeof reached === "string"
      ? { kind: "refused", why: reached }
      : { kind: "mapped", by: reached.by, outside: reached.outside };
    if (JSON.stringify(outcome) !== told) onOutcome(outcome);
    told = JSON.stringify(outcome);
    await clock.sleep(typeof reached === "string" ? AGAIN_MS : reached.lifetimeMs / 2, signal);
  }
  const farewell = new AbortController();
  const removed = mapping?.remove(farewell.signal).catch(() => {});
  await Promise.race([removed, clock.sleep(FAREWELL_MS)]);
  farewell.abort();
}

/** @returns Why not, when neither way works. */
async function map(options: PortMappingOptions, signal: AbortSignal): Promise<Mapping | string> {
  const byPmp = await mapByPmp(options, signal);
  if (typeof byPmp !== "string" || signal.aborted) return byPmp;
  const byUpnp = await mapByUpnp(options, signal);
  if (typeof byUpnp !== "string") return byUpnp;
  return byUpnp === NO_UPNP ? byPmp === NO_PMP ? NOBODY : `by NAT-PMP ${byPmp}` : `by UPnP ${byUpnp}`;
}

async function mapByPmp(options: PortMappingOptions, signal: AbortSignal): Promise<Mapping | string> {
  const { surroundings, net, bind, port, clock } = options;
  const gateway = surroundings.gateway();
  if (gateway === undefined) return NO_PMP;
  const router = { host: gateway, port: NAT_PMP_PORT };
  const udp = await net.openUdp({ host: bind ?? ANY, port: 0 }).catch(() => undefined);
  if (udp === undefined) return NO_PMP;
  try {
    let lifetimeSeconds = LIFETIME_SECONDS;
    for (const protocol of protocolsOf(options)) {
      const question = encodeMapping(protocol, port, LIFETIME_SECONDS);
      const answer = await ask(
        { udp, clock, router, question, signal },
        (bytes) => parseMapping(protocol, bytes),
      );
      if (answer === undefined) return NO_PMP;
      if (answer.refusal !== undefined) return answer.refusal;
      if (answer.externalPort !== port || answer.internalPort !== port) {
        udp.send(encodeMapping(protocol, port, 0), router);
        return `it gives port ${answer.externalPort} instead of ${port}; choose another with --port`;
      }
      lifetimeSeconds = Math.min(lifetimeSeconds, Math.max(answer.lifetimeSeconds, LEAST_LIFETIME_SECONDS));
    }
    const question = encodeAddressQuestion();
    const outside = await ask({ udp, clock, router, question, signal }, parseAddress);
    const remove = () => removeByPmp(options, router);
    return { by: "NAT-PMP", outside, lifetimeMs: 1000 * lifetimeSeconds, remove };
  } finally {
    await udp.close();
  }
}

async function removeByPmp(options: PortMappingOptions, router: Endpoint): Promise<void> {
  const { net, clock, bind, port } = options;
  const udp = await net.openUdp({ host: bind ?? ANY, port: 0 });
  try {
    for (const protocol of protocolsOf(options)) {
      const question = encodeMapping(protocol, port, 0);
      const signal = new AbortController().signal;
      await ask({ udp, clock, router, question, signal }, (bytes) => parseMapping(protocol, bytes));
    }
  } finally {
    await udp.close();
  }
}

/** Sends a question until it is answered: after 250 ms again, then after twice as long each time. */
async function ask<T>(
  { udp, clock, router, question, signal }: {
    udp: UdpSocket;
    clock: Clock;
    router: Endpoint;
    question: Uint8Array;
    signal: AbortSignal;
  },
  parse: (bytes: Uint8Array) => T | undefined,
): Promise<T | undefined> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  let answer: T | undefined;
  udp.onDatagram((bytes, from) => {
    if (from.host !== router.host || from.port !== router.port) return;
    answer ??= parse(bytes);
    if (answer !== undefined) over.abort();
  });
  for (let waitMs = PMP_FIRST_WAIT_MS; waitMs <= PMP_LAST_WAIT_MS && !either.aborted; waitMs *= 2) {
    udp.send(question, router);
    await clock.sleep(waitMs, either);
  }
  return answer;
}

async function mapByUpnp(options: PortMappingOptions, signal: AbortSignal): Promise<Mapping | string> {
  const { surroundings, port } = options;
  const control = await findRouter(options, signal);
  if (control === undefined) return NO_UPNP;
  const { hostname, port: controlPort } = new URL(control.url);
  const to = { host: hostname, port: Number(controlPort || 80) };
  const ours = await surroundings.addressTowards(to, { timeoutMs: HTTP_TIMEOUT_MS, signal });
  if (ours === undefined) return "it does not let us connect";
  try {
    let lifetimeSeconds = LIFETIME_SECONDS;
    for (const protocol of protocolsOf(options)) {
      const mapping = {
        NewRemoteHost: "",
        NewExternalPort: port,
        NewProtocol: protocol.toUpperCase(),
        NewInternalPort: port,
        NewInternalClient: ours,
        NewEnabled: 1,
        NewPortMappingDescription: "nano-snap",
      };
      const wish = (seconds: number) => ({ ...mapping, NewLeaseDuration: seconds });
      let answer = await order(options, control, "AddPortMapping", wish(lifetimeSeconds), signal);
      if (textOf(answer.text, "errorCode") === ONLY_PERMANENT) {
        answer = await order(options, control, "AddPortMapping", wish(0), signal);
      }
      if (answer.status !== 200) return refusalIn(answer.text, answer.status);
      lifetimeSeconds = LIFETIME_SECONDS;
    }
    const address = await order(options, control, "GetExternalIPAddress", {}, signal);
    const remove = async (farewell: AbortSignal) => {
      for (const protocol of protocolsOf(options)) {
        const which = { NewRemoteHost: "", NewExternalPort: port, NewProtocol: protocol.toUpperCase() };
        await order(options, control, "DeletePortMapping", which, farewell);
      }
    };
    const outside = textOf(address.text, "NewExternalIPAddress");
    return { by: "UPnP", outside, lifetimeMs: 1000 * lifetimeSeconds, remove };
  } catch (error) {
    if (error instanceof OperationFailed) return error.message;
    throw error;
  }
}

/** The first device that answers a search and describes a service that maps ports. */
async function findRouter(options: PortMappingOptions, signal: AbortSignal): Promise<Control | undefined> {
  const { net, clock, bind } = options;
  const udp = await net.openUdp({ host: bind ?? ANY, port: 0 }).catch(() => undefined);
  if (udp === undefined) return undefined;
  const found = new AbortController();
  const either = AbortSignal.any([signal, found.signal]);
  const asked = new Set<string>();
  let control: Control | undefined;
  try {
    udp.onDatagram((bytes, from) => {
      const location = parseSearchAnswer(bytes, from.host);
      if (location === undefined || asked.has(location) || asked.size >= MAX_ROUTERS) return;
      asked.add(location);
      void describe(options, location, either).then((one) => {
        if (one === undefined) return;
        control ??= one;
        found.abort();
      });
    });
    for (let tries = 0; tries < SEARCHES && !either.aborted; tries++) {
      for (const device of SEARCHED) udp.send(searchFor(device), SSDP);
      await clock.sleep(SEARCH_MS, either);
    }
    return control;
  } finally {
    found.abort();
    await udp.close();
  }
}

async function describe(
  { http }: PortMappingOptions,
  location: string,
  signal: AbortSignal,
): Promise<Control | undefined> {
  try {
    const { status, text } = await exchange(http, location, { signal });
    return status === 200 ? findControl(text, location) : undefined;
  } catch (error) {
    if (error instanceof OperationFailed) return undefined;
    throw error;
  }
}

function order(
  { http }: PortMappingOptions,
  control: Control,
  action: string,
  args: Readonly<Record<string, string | number>>,
  signal: AbortSignal,
) {
  return exchange(http, control.url, { ...encodeOrder(control, action, args), signal });
}

async function exchange(
  http: HttpStreams,
  url: string,
  options: {
    readonly signal: AbortSignal;
    readonly headers?: Record<string, string>;
    readonly body?: Uint8Array;
  },
): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await http.open(url, { timeoutMs: HTTP_TIMEOUT_MS, ...options });
  try {
    const decoder = new TextDecoder();
    let text = "";
    for (let bytes = await answer.read(); bytes !== null; bytes = await answer.read()) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > MAX_DOCUMENT) throw new OperationFailed("the router's answer is too long");
    }
    return { status: answer.status, text };
  } finally {
    answer.close();
  }
}

function protocolsOf({ udp }: PortMappingOptions): readonly MappedProtocol[] {
  return udp ? ["tcp", "udp"] : ["tcp"];
}

const ANY = "0.0.0.0";
/** RFC 6886 recommends two hours. One is enough where the program dies without a word. */
const LIFETIME_SECONDS = 3600;
/** A router that gives seconds would be asked all the time. */
const LEAST_LIFETIME_SECONDS = 120;
/** A router that said no may be set otherwise, or another one. */
const AGAIN_MS = 900_000;
const FAREWELL_MS = 2_000;
/** RFC 6886, 3.1, but not for a minute: 250 + 500 + 1000 ms. */
const PMP_FIRST_WAIT_MS = 250;
const PMP_LAST_WAIT_MS = 1_000;
/** A search may be lost; devices answer within a second. */
const SEARCHES = 2;
const SEARCH_MS = 1_500;
/** Devices that are asked to describe themselves, and the longest description: real ones have 5 KB. */
const MAX_ROUTERS = 4;
const MAX_DOCUMENT = 256 << 10;
const HTTP_TIMEOUT_MS = 3_000;
const NO_PMP = "no NAT-PMP";
const NO_UPNP = "no UPnP";
const NOBODY = "no router here takes orders by NAT-PMP or UPnP";
