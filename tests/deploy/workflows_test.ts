// .github/ against the tree: what no machine here can run is at least read.

import assert from "node:assert/strict";
import { ASSETS } from "../../lib/release/assets.ts";
import { DENO_VERSION } from "../../deploy/toolchain.ts";
import { filesIn, has, read, ROOT } from "./tree.ts";
import { readWorkflow, type Tree, workflowFaults } from "./workflow_faults.ts";
import { notOnWindows } from "../windows.ts";

const TREE: Tree = {
  has,
  tasks: Object.keys(JSON.parse(read("deno.json")).tasks),
  denoVersion: DENO_VERSION,
  mayWrite: [
    "publish: contents",
    "publish: id-token",
    "publish: attestations",
    "image: packages",
    "image: id-token",
    "image: attestations",
  ],
  seesSecrets: ["sign"],
};

/** What each action of ours takes, read in its action.yml at the pinned commit. */
const INPUTS: Record<string, readonly string[]> = {
  "actions/checkout": ["persist-credentials"],
  "actions/upload-artifact": ["name", "path", "if-no-files-found", "compression-level"],
  "actions/download-artifact": ["name", "path"],
  "actions/attest": [
    "subject-path",
    "subject-name",
    "subject-digest",
    "sbom-path",
    "push-to-registry",
    "create-storage-record",
  ],
  "docker/setup-buildx-action": [],
  "docker/login-action": ["registry", "username", "password"],
  "docker/build-push-action": [
    ..."context file build-contexts platforms push load tags labels provenance sbom".split(" "),
  ],
};

for (const name of filesIn(".github/workflows")) {
  const text = read(`.github/workflows/${name}`);

  Deno.test(`.github/workflows/${name} leans on nothing that is not there`, () => {
    assert.deepEqual(workflowFaults(text, TREE), []);
  });

  Deno.test(`.github/workflows/${name} gives its actions what they take`, () => {
    for (const { uses, with: inputs } of stepsOf(text)) {
      if (uses === undefined) continue;
      const known = INPUTS[uses.split("@")[0]!] ?? assert.fail(`an unknown action: ${uses}`);
      for (const input of Object.keys(inputs ?? {})) assert.ok(known.includes(input), `${uses}: ${input}`);
    }
  });

  Deno.test({
    name: `.github/workflows/${name} has scripts that bash can read`,
    ignore: notOnWindows("its first bash may be that of a Linux that is not there"),
  }, async () => {
    for (const { run } of stepsOf(text)) {
      if (run === undefined) continue;
      const script = run.replaceAll(/\$\{\{.*?\}\}/g, "x");
      const { success, stderr } = await new Deno.Command("bash", { args: ["-n", "-c", script] }).output();
      assert.ok(success, `${run}\n${new TextDecoder().decode(stderr)}`);
    }
  });
}

const RELEASE = read(".github/workflows/release.yml");

Deno.test("release.yml tries each program on a machine of its own kind", () => {
  const rows = readWorkflow(RELEASE).jobs["smoke"]!.strategy!.matrix.include;
  assert.deepEqual(
    rows.map(({ system }) => system).toSorted(),
    ASSETS.map(({ system }) => system).toSorted(),
  );
  // GitHub's names, in its documentation of hosted runners.
  const machines: Record<string, RegExp> = {
    "linux-x64": /^ubuntu-(latest|\d\d\.04)$/,
    "linux-arm64": /^ubuntu-\d\d\.04-arm$/,
    "darwin-x64": /^macos-\d\d-intel$/,
    "darwin-arm64": /^macos-(latest|\d\d)$/,
    "windows-x64": /^windows-(latest|20\d\d)$/,
  };
  for (const { system = "", runner = "" } of rows) assert.match(runner, machines[system]!, system);
});

Deno.test("release.yml publishes what install.sh and README.md fetch, and only after all else", () => {
  const { publish } = readWorkflow(RELEASE).jobs;
  const script = publish!.steps.flatMap(({ run }) => run ?? []).join("\n");
  assert.match(script, /^cp install\.sh dist\/$/m);
  assert.match(script, /^gh release create "\$TAG" --draft .* dist\/\*$/m);
  for (const job of ["test", "sign", "smoke"]) assert.ok(publish!.needs!.includes(job), job);
  const installer = read("install.sh");
  assert.ok(installer.includes("asset=nano-snap-$os-$arch"));
  for (const { name, system } of ASSETS.filter(({ system }) => !system.startsWith("windows"))) {
    const [os, arch] = system.split("-");
    assert.equal(name, `nano-snap-${os}-${arch}`);
    assert.ok(installer.includes(`os=${os}`) && installer.includes(`arch=${arch}`), system);
  }
});

Deno.test("release.yml signs by the secret and in the environment that docs/releasing.md tells the owner to make", () => {
  const { sign } = readWorkflow(RELEASE).jobs;
  const secrets = [...RELEASE.matchAll(/secrets\.(\w+)/g)].map(([, name = ""]) => name);
  assert.equal(secrets.length, 1);
  for (const name of [...secrets, sign!.environment!]) {
    assert.ok(read("docs/releasing.md").includes(`\`${name}\``), name);
  }
  assert.ok(sign!.steps.some(({ run }) => run === "deploy/release/sign.sh dist/SHA256SUMS"));
  assert.ok(sign!.steps.some(({ with: inputs }) => inputs?.["path"] === "dist/SHA256SUMS.sig"));
});

Deno.test("release.yml, compose.yaml and the pod name one image", () => {
  const image = readWorkflow(RELEASE).env!["IMAGE"]!;
  assert.match(image, /^ghcr\.io\/[a-z0-9._/-]+$/);
  for (const path of ["deploy/docker/compose.yaml", "deploy/kubernetes/nano-snap.yaml", "docs/deploy.md"]) {
    assert.ok(read(path).includes(`${image}:latest`), path);
  }
});

Deno.test("each script of a workflow may be executed", () => {
  for (const name of filesIn("deploy/release").filter((name) => name.endsWith(".sh"))) {
    const path = `${ROOT}/deploy/release/${name}`;
    if (Deno.build.os !== "windows") assert.equal(Deno.statSync(path).mode! & 0o111, 0o111, name);
    assert.ok(RELEASE.includes(`deploy/release/${name}`), `${name} is used`);
  }
});

Deno.test("workflowFaults() names each kind of fault", () => {
  const broken: [of: string, by: string, fault: string][] = [
    ["task compile:all", "task compile:every", "compile: there is no task compile:every"],
    ["deploy/release/smoke.sh", "deploy/release/smoak.sh", "smoke: there is no deploy/release/smoak.sh"],
    ["needs: [test, compile]", "needs: [tests, compile]", "sign: it needs tests, which is not there"],
    [
      "name: programs\n          path: dist/\n",
      "name: programmes\n          path: dist/\n",
      "smoke: 0 jobs make",
    ],
    [
      "needs: [notes, compile, sign]",
      "needs: [notes, compile]",
      "smoke: it does not wait for sign, which makes",
    ],
    ["@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "not pinned: actions/checkout@v7"],
    ["@3d3c42e5aac5ba805825da76410c181273ba90b1", `@${"0".repeat(40)}`, "two versions of actions/checkout"],
    ["permissions: {}\n", "", "it does not limit its permissions"],
    ["permissions: {}\n", "permissions:\n  contents: write\n", "every job may write contents"],
    [
      "    permissions:\n      contents: read\n    outputs",
      "    permissions:\n      packages: write\n    outputs",
      "notes: it may write packages",
    ],
    ["    timeout-minutes: 40\n", "", "test: it may run for ever"],
    [
      "          persist-credentials: false\n",
      "          fetch-depth: 0\n",
      "notes: checkout leaves its token behind",
    ],
    [
      "needs.notes.outputs.version",
      "needs.notes.outputs.vers",
      "smoke: nobody knows needs.notes.outputs.vers",
    ],
    ["steps.push.outputs", "steps.pushed.outputs", "image: nobody knows steps.pushed.outputs.digest"],
    ["matrix.system", "matrix.sistem", "smoke: nobody knows matrix.sistem"],
    ['"$TAG" > notes.md', '"${{ github.ref_name }}" > notes.md', "notes: a script has github.ref_name in it"],
    ["deno@2.9.6 task compile", "deno@2.9.5 task compile", "compile: it takes Deno 2.9.5, not 2.9.6"],
    [
      "      - run: .ci/run\n",
      "      - run: .ci/run\n        env: { K: '${{ secrets.K }}' }\n",
      "test: it sees a secret",
    ],
    [
      "          name: sums\n          path: dist/SHA",
      "          name: summs\n          path: dist/SHA",
      "nobody takes the artifact summs",
    ],
    ['echo "version=', 'echo "versio=', "notes: no step says ${{ steps.notes.outputs.version }}"],
  ];
  for (const [of, by, fault] of broken) {
    assert.ok(RELEASE.includes(of), of);
    const faults = workflowFaults(RELEASE.replace(of, by), TREE);
    assert.ok(faults.some((one) => one.startsWith(fault)), `${fault}, but:\n${faults.join("\n")}`);
  }
  const job =
    "  test:\n    runs-on: ubuntu-latest\n    timeout-minutes: 40\n    permissions:\n      contents: read\n    steps:\n";
  assert.ok(RELEASE.includes(job));
  const early = workflowFaults(RELEASE.replace(job, `${job}      - run: .ci/run\n`), TREE);
  assert.ok(early.includes("test: .ci/run is not checked out yet"), early.join("\n"));
});

function stepsOf(text: string) {
  return Object.values(readWorkflow(text).jobs).flatMap(({ steps }) => steps);
}
