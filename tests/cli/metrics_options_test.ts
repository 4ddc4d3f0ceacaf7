import assert from "node:assert/strict";
import { Inputs } from "../../lib/cli/options.ts";
import { readIgnoredMetrics, readMetricsAddress } from "../../lib/cli/metrics_options.ts";
import { UsageError } from "../../lib/errors.ts";

const read = (flags: Record<string, unknown>, env: Record<string, string>) =>
  readMetricsAddress(new Inputs({ metrics: true, ...flags }, env), 9109);

Deno.test("readMetricsAddress() takes the flag before the variable before the default", () => {
  assert.deepEqual(read({}, {}), { host: "127.0.0.1", port: 9109 });
  const env = { METRICS_PORT: "1234", METRICS_BIND: "0.0.0.0" };
  assert.deepEqual(read({}, env), { host: "0.0.0.0", port: 1234 });
  assert.deepEqual(read({ metricsPort: "0", metricsBind: "::1" }, env), { host: "::1", port: 0 });
  for (const METRICS_PORT of ["", " "]) assert.equal(read({}, { METRICS_PORT })?.port, 9109);
});

Deno.test("readMetricsAddress() reads METRICS_ENABLED as true or false in any case, empty as true", () => {
  for (const METRICS_ENABLED of ["true", "TRUE", "True", "", " "]) {
    assert.notEqual(read({}, { METRICS_ENABLED }), undefined, METRICS_ENABLED);
  }
  for (const METRICS_ENABLED of ["false", "FALSE", " False "]) {
    assert.equal(read({}, { METRICS_ENABLED }), undefined, METRICS_ENABLED);
  }
  for (const METRICS_ENABLED of ["0", "1", "yes", "no", "off", "truee"]) {
    for (const flags of [{}, { metrics: false }]) {
      assert.throws(
        () => read(flags, { METRICS_ENABLED }),
        /^UsageError: METRICS_ENABLED must be true or false, not/,
      );
    }
  }
});

Deno.test("readMetricsAddress() is nowhere with --no-metrics, which no address goes with", () => {
  assert.equal(read({ metrics: false }, {}), undefined);
  assert.equal(read({ metrics: false }, { METRICS_ENABLED: "true", METRICS_PORT: "1" }), undefined);
  assert.throws(() => read({ metrics: false, metricsPort: "1" }, {}), UsageError);
});

Deno.test("readMetricsAddress() refuses what is no port or address, even when metrics are off", () => {
  const bad: Record<string, string>[] = [{ METRICS_PORT: "65536" }, { METRICS_PORT: "x" }, {
    METRICS_BIND: "all",
  }];
  for (const env of bad) {
    assert.throws(() => read({}, env), UsageError);
    assert.throws(() => read({}, { ...env, METRICS_ENABLED: "false" }), UsageError);
  }
});

Deno.test("readIgnoredMetrics() notes flags that mean nothing here, and refuses what is wrong anywhere", () => {
  const read = (flags: Record<string, unknown>, env: Record<string, string>) =>
    readIgnoredMetrics(new Inputs({ metrics: true, ...flags }, env));
  assert.deepEqual(read({}, { METRICS_PORT: "1" }), []);
  assert.deepEqual(read({ metrics: false }, {}), []);
  assert.deepEqual(read({ metricsPort: "1" }, {}), ["--metrics-port has no effect here and is ignored"]);
  assert.throws(() => read({}, { METRICS_ENABLED: "maybe" }), UsageError);
});
