// deploy/docker, without Docker: that the image is made of files that are there, is called as people call it, and that
// compose hands over what the program reads.

import assert from "node:assert/strict";
import { ASSETS } from "../../lib/release/assets.ts";
import { DENO_VERSION } from "../../deploy/toolchain.ts";
import { sourceFiles } from "../../deploy/stage.ts";
import { knownVariables, mirrorVariables, NOT_IN_A_CONTAINER } from "./program_facts.ts";
import { read, readYaml, ROOT } from "./tree.ts";

const LINES = read("deploy/docker/Dockerfile").replaceAll(/\\\n\s*/g, "").split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

/** Arguments of an instruction, each time it comes. */
function all(instruction: string): string[] {
  return LINES.filter((line) => line.startsWith(`${instruction} `)).map((line) =>
    line.slice(instruction.length + 1)
  );
}

Deno.test("Dockerfile has a stage for each Linux that a release has a program for", () => {
  const architectures: Record<string, string> = { "linux-x64": "amd64", "linux-arm64": "arm64" };
  const linux = ASSETS.filter(({ system }) => system.startsWith("linux-"));
  assert.deepEqual(linux.map(({ system }) => system).toSorted(), Object.keys(architectures).toSorted());
  for (const { system, name } of linux) {
    const at = LINES.indexOf(`FROM base AS image-${architectures[system]}`);
    assert.equal(LINES[at + 1], `COPY --from=program --chmod=0755 /${name} /usr/local/bin/nano-snap`);
  }
  assert.equal(all("FROM").at(-1), "image-$TARGETARCH");
});

Deno.test("Dockerfile's stages are begun before they are named, and compiling takes the Deno of releases", () => {
  const begun = new Set<string>();
  for (const line of LINES) {
    const from = /^COPY --from=([\w-]+)/.exec(line)?.[1];
    assert.ok(from === undefined || begun.has(from), line);
    const [, base = "", name] = /^FROM (?:--platform=\S+ )?(\S+)(?: AS (\S+))?$/.exec(line) ?? [];
    if (name !== undefined) begun.add(name);
    if (base.startsWith("denoland/deno")) assert.equal(base, `denoland/deno:${DENO_VERSION}`);
  }
  const compile = all("RUN").find((line) => line.includes("deno task "))!;
  assert.ok(
    "compile:all" in JSON.parse(read("deno.json")).tasks && compile.includes("deno task compile:all --only"),
  );
  for (const flag of ["--only", "--commit", "--date"]) {
    assert.ok(compile.includes(`${flag} `) && read("deploy/compile.ts").includes(`${flag} `), flag);
  }
});

Deno.test("the build's context has every source of the program, and nothing is left out by name", () => {
  const kept = read("deploy/docker/Dockerfile.dockerignore").split("\n").filter((line) =>
    line.startsWith("!")
  )
    .map((line) => line.slice(1));
  for (const path of [...sourceFiles(ROOT).map((one) => one.replaceAll("\\", "/")), "deploy/compile.ts"]) {
    assert.ok(kept.some((name) => path === name || path.startsWith(`${name}/`)), path);
  }
});

Deno.test("the image is called as the Python image: nothing or options are words of nano-snap", () => {
  assert.deepEqual(all("ENTRYPOINT"), ['["/usr/local/bin/nano-snap"]']);
  assert.deepEqual(all("CMD"), []);
  assert.match(all("HEALTHCHECK")[0]!, / CMD \["\/usr\/local\/bin\/nano-snap", "health"\]$/);
  assert.deepEqual(all("VOLUME"), ["/data"]);
  assert.equal(all("EXPOSE")[0], "6881/tcp 6881/udp 9109/tcp");
  assert.deepEqual(all("USER"), ["1000:1000"]);
  assert.ok(LINES.some((line) => line === "RUN mkdir -p /skeleton/data && chmod 1777 /skeleton/data"));
  const [environment = ""] = all("ENV");
  const variables = Object.fromEntries(environment.split(" ").map((pair) => pair.split("=", 2)));
  assert.equal(variables["DATA_DIR"], "/data");
  for (const name of Object.keys(variables)) assert.ok(knownVariables().has(name), name);
});

Deno.test("compose.yaml hands upstream's variables to the program, and opens the ports that it listens on", () => {
  const [compose] = readYaml("deploy/docker/compose.yaml") as [Compose];
  const { "nano-mirror": mirror } = compose.services;
  for (const name of Object.keys(mirror!.environment)) assert.ok(knownVariables().has(name), name);
  for (const name of ["PRODUCER_SIGNING_PUBKEY", "DHT_SALT", "POLL_INTERVAL", "SEED_PEERS", "LOG_LEVEL"]) {
    assert.match(String(mirror!.environment[name]), new RegExp(`^\\$\\{${name}:-`));
  }
  // Its place and its ports are the container's own.
  const own = ["DATA_DIR", "PORT", "METRICS_PORT", "METRICS_BIND"];
  const variables = mirrorVariables();
  assert.ok(variables.length > 15 && NOT_IN_A_CONTAINER.every((name) => variables.includes(name)));
  for (const name of variables) {
    if (own.includes(name)) continue;
    const isPassedOn = String(mirror!.environment[name]).startsWith(`\${${name}:-`);
    assert.equal(isPassedOn, !NOT_IN_A_CONTAINER.includes(name), name);
  }
  const port = "${MIRROR_HOST_PORT:-6881}";
  assert.equal(mirror!.environment["PORT"], port);
  const metrics = mirror!.environment["METRICS_PORT"];
  assert.deepEqual(mirror!.ports, [
    `${port}:${port}/tcp`,
    `${port}:${port}/udp`,
    `127.0.0.1:\${METRICS_HOST_PORT:-9109}:${metrics}`,
  ]);
  assert.equal(mirror!.environment["METRICS_BIND"], "0.0.0.0", "a loopback inside is nobody's");
  assert.deepEqual(mirror!.volumes, ["./nano-data:/data"]);
  assert.equal(mirror!.restart, "unless-stopped");
});

Deno.test("compose.yaml says in its head which variables are its own", () => {
  const text = read("deploy/docker/compose.yaml");
  const used = new Set([...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name = ""]) => name));
  for (const name of used) {
    assert.ok(knownVariables().has(name) || text.includes(`#   ${name} `), name);
  }
});

interface Compose {
  readonly services: Readonly<
    Record<string, {
      readonly environment: Readonly<Record<string, unknown>>;
      readonly ports: readonly string[];
      readonly volumes: readonly string[];
      readonly restart: string;
    }>
  >;
}
