// UPnP's Internet Gateway Device, version 1 and 2, as text: finding a router, reading where it takes orders, and giving
// them. No state. XML is read by searching for the few elements that matter: what a router sends is bounded by whoever
// reads it, and nothing of it is trusted further than to send it an order for a port of our own.

import type { Endpoint } from "../ports.ts";

/** Where routers listen for a search. */
export const SSDP: Endpoint = { host: "239.255.255.250", port: 1900 };

/** What a search is for: the device itself in both versions. */
export const SEARCHED = [1, 2].map((version) =>
  `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`
);

/** Where a router takes orders. */
export interface Control {
  readonly url: string;
  /** The service's name, which each order repeats. */
  readonly service: string;
}

/** Routers answer within a second. */
export function searchFor(device: string): Uint8Array {
  const { host, port } = SSDP;
  return new TextEncoder().encode(
    `M-SEARCH * HTTP/1.1\r\nHOST: ${host}:${port}\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ${device}\r\n\r\n`,
  );
}

/** Where the answering device describes itself; undefined unless that is at the address that answered. */
export function parseSearchAnswer(bytes: Uint8Array, from: string): string | undefined {
  if (bytes.length > MAX_ANSWER_BYTES) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith("HTTP/1.1 200")) return undefined;
  if (!SEARCHED.includes(/^st:[ \t]*(\S+)[ \t]*\r?$/im.exec(text)?.[1] ?? "")) return undefined;
  const url = URL.parse(/^location:[ \t]*(\S+)[ \t]*\r?$/im.exec(text)?.[1] ?? "");
  return url?.protocol === "http:" && url.hostname === from ? url.href : undefined;
}

/** The first service of a description that maps ports; undefined when there is none at the device's own address. */
export function findControl(description: string, location: string): Control | undefined {
  for (const service of servicesIn(description)) {
    const type = textOf(service, "serviceType");
    const path = textOf(service, "controlURL");
    if (type === undefined || !SERVICES.has(type) || path === undefined) continue;
    const url = URL.parse(path, location);
    if (url?.protocol === "http:" && url.hostname === new URL(location).hostname) {
      return { url: url.href, service: type };
    }
  }
  return undefined;
}

/** What is between each <service> and the next end of one: each character is looked at once, whatever a router sends. */
function* servicesIn(description: string): Generator<string> {
  for (let end = 0;;) {
    const begin = description.indexOf(SERVICE, end);
    if (begin < 0) return;
    end = description.indexOf(SERVICE_END, begin);
    if (end < 0) return;
    yield description.slice(begin + SERVICE.length, end);
  }
}

/** An order as SOAP: the body of a POST. */
export function encodeOrder(
  { service }: Control,
  action: string,
  args: Readonly<Record<string, string | number>> = {},
): { readonly headers: Record<string, string>; readonly body: Uint8Array } {
  const inner = Object.entries(args).map(([name, value]) => `<${name}>${value}</${name}>`).join("");
  const text = '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${service}">${inner}</u:${action}></s:Body></s:Envelope>\r\n`;
  return {
    headers: { "content-type": 'text/xml; charset="utf-8"', soapaction: `"${service}#${action}"` },
    body: new TextEncoder().encode(text),
  };
}

/** An element's text; undefined when it is not there or longer than anything we ask for. */
export function textOf(xml: string, name: string): string | undefined {
  const begin = `<${name}>`;
  for (let at = xml.indexOf(begin); at >= 0; at = xml.indexOf(begin, at)) {
    at += begin.length;
    const end = xml.indexOf("<", at);
    if (end < 0) return undefined;
    if (!xml.startsWith(`</${name}>`, end)) continue;
    const text = xml.slice(at, end).trim();
    if (text !== "" && text.length <= MAX_TEXT_CHARS) return text;
  }
  return undefined;
}

/** Why an order was refused, for people. */
export function refusalIn(xml: string, status: number): string {
  const code = Number(textOf(xml, "errorCode") ?? Number.NaN);
  return REFUSALS[code] ?? (Number.isNaN(code) ? `it answers ${status}` : `it answers error ${code}`);
}

/** The router takes mappings without an end only. */
export const ONLY_PERMANENT = "725";

const SERVICE = "<service>";
const SERVICE_END = "</service>";
const SERVICES: ReadonlySet<string> = new Set([
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANIPConnection:2",
  "urn:schemas-upnp-org:service:WANPPPConnection:1",
]);
const REFUSALS: Readonly<Record<number, string>> = {
  606: "it is set to allow no mappings",
  718: "another machine has that port",
  [ONLY_PERMANENT]: "it takes mappings without an end only",
};
/** Longer than any URL, address or type of service that a router names. */
const MAX_TEXT_CHARS = 300;
/** A datagram of a few headers. */
const MAX_ANSWER_BYTES = 2048;
