import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import {
  encodeOrder,
  findControl,
  parseSearchAnswer,
  refusalIn,
  SEARCHED,
  searchFor,
  textOf,
} from "../../lib/line/upnp.ts";

/** As miniupnpd 2.3.1 sent it. */
const ANSWER = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n" +
  "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\nSERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1\r\n" +
  "LOCATION: http://10.9.0.1:5000/rootDesc.xml\r\n\r\n";

Deno.test("searchFor() asks for a device as SSDP wants it", () => {
  assert.equal(
    new TextDecoder().decode(searchFor(SEARCHED[0]!)),
    'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n' +
      "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
  );
});

Deno.test("parseSearchAnswer() gives where the device describes itself, at its own address only", () => {
  assert.equal(parseSearchAnswer(utf8(ANSWER), "10.9.0.1"), "http://10.9.0.1:5000/rootDesc.xml");
  assert.equal(parseSearchAnswer(utf8(ANSWER), "10.9.0.9"), undefined);
  for (
    const spoiled of [
      ANSWER.replace("200", "404"),
      ANSWER.replace("Gateway", "Kitchen"),
      ANSWER.replace("http:", "ftp:"),
      ANSWER.replace("LOCATION", "X"),
      ANSWER + "x".repeat(3000),
      "",
    ]
  ) assert.equal(parseSearchAnswer(utf8(spoiled), "10.9.0.1"), undefined, spoiled.slice(0, 200));
});

Deno.test("findControl() finds the first service that maps ports, of either version", () => {
  const service = (type: string, url: string) =>
    `<service>\n<serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${url}</controlURL></service>`;
  const description = (...services: string[]) => `<root><device>${services.join("")}</device></root>`;
  const at = "http://10.9.0.1:5000/rootDesc.xml";
  assert.deepEqual(
    findControl(
      description(service("Layer3Forwarding:1", "/l3"), service("WANIPConnection:2", "/ctl/IPConn")),
      at,
    ),
    { url: "http://10.9.0.1:5000/ctl/IPConn", service: "urn:schemas-upnp-org:service:WANIPConnection:2" },
  );
  assert.equal(
    findControl(description(service("WANPPPConnection:1", "ctl")), at)?.url,
    "http://10.9.0.1:5000/ctl",
  );
  assert.equal(findControl(description(service("WANIPConnection:1", "http://10.9.0.7/x")), at), undefined);
  assert.equal(findControl("<service>".repeat(1000), at), undefined);
});

Deno.test("findControl() and textOf() look at each character once, whatever a router sends", () => {
  const at = "http://10.9.0.1:5000/rootDesc.xml";
  // Tried from each place to the end, any of these would take minutes.
  assert.equal(findControl("<service>".repeat(200_000), at), undefined);
  assert.equal(textOf(`<a>${" ".repeat(200_000)}`, "a"), undefined);
  assert.equal(textOf("<a>".repeat(200_000), "a"), undefined);
  assert.equal(textOf(`<a>${" ".repeat(200_000)}</a><a><a> b\n</a>`, "a"), "b");
});

Deno.test("encodeOrder() is SOAP with the service's name; textOf() and refusalIn() read the answers", () => {
  const control = { url: "http://h/", service: "urn:s:1" };
  const { headers, body } = encodeOrder(control, "DeletePortMapping", {
    NewExternalPort: 6881,
    NewProtocol: "TCP",
  });
  assert.equal(headers["soapaction"], '"urn:s:1#DeletePortMapping"');
  assert.match(
    new TextDecoder().decode(body),
    /<s:Body><u:DeletePortMapping xmlns:u="urn:s:1"><NewExternalPort>6881<\/NewExternalPort><NewProtocol>TCP</,
  );
  assert.equal(textOf("<a> 1.2.3.4 </a>", "a"), "1.2.3.4");
  assert.equal(textOf(`<a>${"x".repeat(301)}</a>`, "a"), undefined);
  const fault = (code: number) => `<s:Fault><UPnPError><errorCode>${code}</errorCode></UPnPError></s:Fault>`;
  assert.equal(refusalIn(fault(718), 500), "another machine has that port");
  assert.equal(refusalIn(fault(501), 500), "it answers error 501");
  assert.equal(refusalIn("", 403), "it answers 403");
});
