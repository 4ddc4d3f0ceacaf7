// The metrics, as Prometheus reads them: upstream's names and labels (upstream.md 5), made of one moment's status. So
// they cannot contradict one another, and there is never more than one `generation_info` or `state`.
//
// prom-client 15.1.3 was tried: `deno compile` 2.8 overflows its stack on its packages, and they add 3.3 MB to the
// binary (test data of one of them, and OpenTelemetry) for nine numbers in a text format.

import { isReady, type RunStatus } from "./run_status.ts";

/** What Prometheus expects to be told. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** All metrics; a gauge that is not known yet has no sample. */
export function metricsText(status: RunStatus): string {
  const { generation, traffic, phase } = status;
  const service = { service: status.role === "produce" ? "producer" : "mirror" };
  const known = <T>(value: T | undefined, sample: (value: T) => Sample): Sample[] =>
    value === undefined ? [] : [sample(value)];
  const info = (labels: Labels): Sample => ({ labels: { ...service, ...labels }, value: 1 });
  const metrics: Metric[] = [
    counter("bytes_uploaded_total", "Bytes of content sent to peers since the start", traffic.uploadedBytes),
    counter(
      "bytes_downloaded_total",
      "Bytes of content received from peers since the start",
      traffic.downloadedBytes,
    ),
    {
      name: "size_bytes",
      help: "Size of the active snapshot",
      samples: known(generation?.sizeBytes, (value) => ({ labels: service, value })),
    },
    {
      name: "dht_sequence",
      help: "Sequence number of the active pointer",
      samples: known(generation?.seq, (value) => ({ labels: service, value })),
    },
    {
      name: "generation_info",
      help: "The active snapshot; always 1",
      samples: known(generation, ({ infoHash, seq, originalFilename }) =>
        info({
          info_hash: infoHash,
          sequence: String(seq ?? ""),
          original_filename: originalFilename ?? "",
        })),
    },
    {
      name: "swarm_peers",
      help: "Connected peers, by whether they have everything",
      samples: [
        { labels: { role: "leecher" }, value: traffic.peers },
        { labels: { role: "seeder" }, value: traffic.seeds },
      ],
    },
    gauge("swarm_connections", "Connections to peers, those in handshake too", traffic.connections),
    gauge("swarm_dht_nodes", "Nodes in the DHT routing table", traffic.dhtNodes),
    gauge("ready", "1 when it seeds, and a producer's pointer is verified", isReady(status) ? 1 : 0),
    { name: "state", help: "The current phase; always 1", samples: [info({ state: phase })] },
  ];
  return metrics.map(metricText).join("");
}

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly isCounter?: boolean;
  readonly samples: readonly Sample[];
}

function counter(name: string, help: string, value: number): Metric {
  return { name, help, isCounter: true, samples: [{ labels: {}, value }] };
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, samples: [{ labels: {}, value }] };
}

function metricText({ name, help, isCounter = false, samples }: Metric): string {
  const full = PREFIX + name;
  const head = `# HELP ${full} ${help}\n# TYPE ${full} ${isCounter ? "counter" : "gauge"}\n`;
  return head + samples.map(({ labels, value }) => `${full}${labelText(labels)} ${value}\n`).join("");
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** The format's three escapes; a stranger's file name may hold any of them. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

const PREFIX = "nano_snapshot_";
