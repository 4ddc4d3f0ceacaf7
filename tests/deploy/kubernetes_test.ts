// deploy/kubernetes, without a cluster: that names, ports and probes agree with one another and with the program.

import assert from "node:assert/strict";
import { isServed, knownVariables, mirrorVariables, NOT_IN_A_CONTAINER } from "./program_facts.ts";
import { readYaml } from "./tree.ts";

// deno-lint-ignore no-explicit-any -- whatever the files say; each assertion is a check of its shape
type Thing = any;

const things = ["nano-snap", "podmonitor"].flatMap((name) =>
  readYaml(`deploy/kubernetes/${name}.yaml`)
) as Thing[];

function the(kind: string, apiVersion: string): Thing {
  const found = things.filter((thing) => thing.kind === kind);
  assert.equal(found.length, 1, kind);
  assert.equal(found[0].apiVersion, apiVersion);
  return found[0];
}

const set = the("StatefulSet", "apps/v1");
const pod = set.spec.template;
const [container, ...others] = pod.spec.containers;
const settings = the("ConfigMap", "v1");

Deno.test("nano-snap.yaml and podmonitor.yaml have what a mirror needs, and no more", () => {
  assert.deepEqual(things.map(({ kind }) => kind), ["ConfigMap", "Service", "StatefulSet", "PodMonitor"]);
  assert.equal(others.length, 0);
  for (const { metadata } of things) assert.match(metadata.name, /^[a-z][a-z-]*$/);
});

Deno.test("every selector finds the pod, and every reference its thing", () => {
  const { labels } = pod.metadata;
  const selectors = [
    set.spec.selector.matchLabels,
    the("Service", "v1").spec.selector,
    the("PodMonitor", "monitoring.coreos.com/v1").spec.selector.matchLabels,
  ];
  for (const selector of selectors) {
    assert.ok(Object.keys(selector).length > 0);
    for (const [key, value] of Object.entries(selector)) assert.equal(labels[key], value, key);
  }
  assert.equal(set.spec.serviceName, the("Service", "v1").metadata.name);
  assert.deepEqual(container.envFrom, [{ configMapRef: { name: settings.metadata.name } }]);
  const volumes = [
    ...pod.spec.volumes.map(({ name }: Thing) => name),
    ...set.spec.volumeClaimTemplates.map((claim: Thing) => claim.metadata.name),
  ];
  for (const { name } of container.volumeMounts) assert.ok(volumes.includes(name), name);
  assert.equal(new Set(volumes).size, container.volumeMounts.length);
});

Deno.test("the ports of pod, service and monitor are those that the program is told", () => {
  const ports: Thing[] = container.ports;
  const numberOf = (name: string) =>
    ports.find((port) => port.name === name)?.containerPort ?? assert.fail(name);
  for (const protocol of ["tcp", "udp"]) {
    assert.equal(numberOf(`peers-${protocol}`), Number(variable("PORT")));
    const port = ports.find(({ name }) => name === `peers-${protocol}`);
    assert.equal(port.protocol, protocol.toUpperCase());
    assert.equal(port.hostPort, port.containerPort, "peers are told the number inside");
  }
  assert.equal(numberOf("metrics"), Number(variable("METRICS_PORT")));
  for (const { port, targetPort, protocol } of the("Service", "v1").spec.ports) {
    assert.equal(port, numberOf(targetPort));
    assert.equal(protocol, ports.find(({ name }) => name === targetPort).protocol);
  }
  for (const { port } of the("PodMonitor", "monitoring.coreos.com/v1").spec.podMetricsEndpoints) {
    numberOf(port);
  }
});

Deno.test("the probes and the monitor ask for pages that are served, on an address that they reach", () => {
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
  assert.deepEqual(probes.map(({ httpGet }) => httpGet.path), ["/healthz", "/healthz", "/readyz"]);
  const [{ path }] = the("PodMonitor", "monitoring.coreos.com/v1").spec.podMetricsEndpoints;
  for (const page of [...probes.map(({ httpGet }) => httpGet.path), path]) {
    assert.ok(isServed(page), page);
  }
  assert.ok(!isServed("/livez"), "not every path is one");
  for (const { httpGet } of probes) assert.equal(httpGet.port, "metrics");
  assert.equal(variable("METRICS_BIND"), "0.0.0.0");
});

Deno.test("every variable is one that the program reads, and a text", () => {
  const all = {
    ...settings.data,
    ...Object.fromEntries(container.env.map(({ name, value }: Thing) => [name, value])),
  };
  for (const [name, value] of Object.entries(all)) {
    assert.ok(knownVariables().has(name), name);
    assert.equal(typeof value, "string", `${name}: Kubernetes takes texts only`);
  }
  const mount = container.volumeMounts.find(({ name }: Thing) => name === "data").mountPath;
  assert.equal(variable("DATA_DIR"), mount);
});

Deno.test("every setting of a mirror that means something in a pod can be written into the ConfigMap", () => {
  // Without metrics no probe would be answered.
  const left = [...NOT_IN_A_CONTAINER, "METRICS_ENABLED"];
  const given = container.env.map(({ name }: Thing) => name);
  const open = mirrorVariables().filter((name) => !left.includes(name) && !given.includes(name));
  assert.deepEqual(Object.keys(settings.data).toSorted(), open.toSorted());
});

Deno.test("the pod has no more rights than it needs, and as long to stop as the program takes", () => {
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(pod.spec.securityContext.runAsNonRoot, true);
  assert.equal(pod.spec.automountServiceAccountToken, false);
  assert.ok(pod.spec.terminationGracePeriodSeconds > 10);
});

function variable(name: string): string {
  return container.env.find((one: Thing) => one.name === name)?.value ?? assert.fail(name);
}
