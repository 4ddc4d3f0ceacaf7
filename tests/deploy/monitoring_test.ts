// deploy/prometheus and deploy/grafana: that every metric and label in them is one that we serve. promtool's opinion is
// asked in tests/interop/deploy_test.ts.

import assert from "node:assert/strict";
import { METRICS, PHASES } from "./program_facts.ts";
import { read, readYaml } from "./tree.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource: { readonly uid: string };
  readonly targets: readonly {
    readonly expr: string;
    readonly refId: string;
    readonly datasource: { readonly uid: string };
  }[];
}

const [{ groups }] = readYaml("deploy/prometheus/alerts.yml") as [{ groups: { rules: Rule[] }[] }];
const rules = groups.flatMap((group) => group.rules);
const board = JSON.parse(read("deploy/grafana/nano-snap.json"));
const panels: readonly Panel[] = board.panels;

Deno.test("alerts.yml and the dashboard use metrics, labels and phases that there are", () => {
  const expressions = [
    ...rules.map(({ expr }) => expr),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...board.annotations.list.map(({ expr }: { expr: string }) => expr),
    ...board.templating.list.map(({ query }: { query: { query?: string } | string }) =>
      typeof query === "string" ? "" : query.query ?? ""
    ),
  ];
  assert.ok(expressions.length > 20);
  assert.deepEqual(expressions.flatMap(faults), []);
});

Deno.test("the dashboard shows every metric", () => {
  const text = JSON.stringify(panels);
  assert.equal(METRICS.size, 10);
  for (const name of METRICS.keys()) assert.ok(text.includes(name), name);
});

Deno.test("faults() names what is not served", () => {
  assert.deepEqual(faults(`rate(nano_snapshot_bytes_up_total[5m])`), [
    "no metric nano_snapshot_bytes_up_total",
  ]);
  assert.deepEqual(faults(`nano_snapshot_ready{service="mirror"}`), [
    "nano_snapshot_ready has no label service",
  ]);
  assert.deepEqual(faults(`nano_snapshot_state{state="asleep"}`), ["no state asleep"]);
  assert.deepEqual(faults(`nano_snapshot_state{state="error", job=~"x"} == 1`), []);
});

Deno.test("every alert says how bad it is, what is wrong and what to do, and has a test", () => {
  const tests = read("deploy/prometheus/alerts_test.yml");
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^NanoSnap[A-Z]/);
    assert.ok(["warning", "critical"].includes(labels.severity), alert);
    assert.ok(annotations.summary.length > 10 && annotations.description.length > 30, alert);
    assert.ok(tests.includes(`'{alertname="${alert}"}'`), `${alert} is never seen to fire`);
  }
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
  assert.ok(read("docs/deploy.md").includes(`${words[rules.length - 1]} alerts`));
});

Deno.test("the jobs of prometheus.yml and of the PodMonitor are those that the alert of a dead one looks for", () => {
  const [config] = readYaml("deploy/prometheus/prometheus.yml") as [{
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    rule_files: string[];
  }];
  const jobs = config.scrape_configs.map(({ job_name }) => job_name);
  const monitors = readYaml("deploy/kubernetes/podmonitor.yaml") as [
    { spec: { podMetricsEndpoints: { relabelings: { targetLabel: string; replacement: string }[] }[] } },
  ];
  const relabelled = monitors[0].spec.podMetricsEndpoints[0]!.relabelings[0]!;
  assert.equal(relabelled.targetLabel, "job");
  const down = rules.find(({ alert }) => alert === "NanoSnapDown")!;
  const pattern = new RegExp(`^${/job=~"(.*?)"/.exec(down.expr)![1]}$`);
  for (const job of [...jobs, relabelled.replacement]) assert.match(job, pattern);
  assert.deepEqual(
    config.scrape_configs.flatMap((one) => one.static_configs.flatMap(({ targets }) => targets)),
    [
      "127.0.0.1:9109",
      "127.0.0.1:9108",
    ],
  );
  assert.deepEqual(config.rule_files, ["alerts.yml"]);
});

Deno.test("the dashboard's panels have numbers of their own, lie beside one another, and ask the chosen source", () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = new Set<string>();
  for (const { title, description, gridPos, datasource, targets } of panels) {
    assert.ok(description.length > 5, title);
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!cells.has(`${x},${y}`), `${title} lies on another`);
        cells.add(`${x},${y}`);
      }
    }
    for (const { uid } of [datasource, ...targets.map((target) => target.datasource)]) {
      assert.equal(uid, "${datasource}");
    }
  }
  const variables = board.templating.list.map(({ name }: { name: string }) => name);
  for (const [, name = ""] of JSON.stringify(board).matchAll(/\$\{?([a-z]\w*)/g)) {
    assert.ok(variables.includes(name), name);
  }
});

/** What an expression names that is not served. Prometheus itself adds `job` and `instance`, and `up`. */
function faults(expression: string): string[] {
  const found: string[] = [];
  for (const [, name = "", labels = ""] of expression.matchAll(/\b(nano_\w+)(?:\{([^}]*)\})?/g)) {
    const known = METRICS.get(name);
    if (known === undefined) {
      found.push(`no metric ${name}`);
      continue;
    }
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"/g)) {
      if (!["job", "instance", ...known].includes(label)) found.push(`${name} has no label ${label}`);
      if (label === "state" && !PHASES.includes(value)) found.push(`no state ${value}`);
    }
  }
  return found;
}
