// What is wrong with a workflow that can be seen without running it: names that lead nowhere, rights that are too wide,
// actions that may change under us. Nothing here knows GitHub beyond that.

import { parse } from "yaml";

/** What a workflow may lean on. */
export interface Tree {
  /** Whether the repository has such a file or folder. */
  readonly has: (path: string) => boolean;
  /** Of deno.json. */
  readonly tasks: readonly string[];
  readonly denoVersion: string;
  /** "job: permission" for each right to write that somebody has thought about. */
  readonly mayWrite: readonly string[];
  /** The jobs that may see a secret. */
  readonly seesSecrets: readonly string[];
}

export interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, unknown>>;
}

export interface Job {
  readonly "runs-on": string;
  readonly "timeout-minutes"?: number;
  readonly needs?: string | readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly environment?: string;
  readonly strategy?: { readonly matrix: { readonly include: readonly Readonly<Record<string, string>>[] } };
  readonly steps: readonly Step[];
}

export interface Workflow {
  readonly name: string;
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: unknown;
  readonly env?: Readonly<Record<string, string>>;
  readonly defaults?: { readonly run?: { readonly shell?: string } };
  readonly jobs: Readonly<Record<string, Job>>;
}

/** @throws {Error} When it is no YAML; a key that comes twice is none. */
export function readWorkflow(text: string): Workflow {
  return parse(text, { strict: true, uniqueKeys: true });
}

/** Every fault, as sentences; empty for a good one. */
export function workflowFaults(text: string, tree: Tree): string[] {
  const workflow = readWorkflow(text);
  const jobs = Object.entries(workflow.jobs);
  return [
    ...unpinned(text),
    ...(workflow.permissions === undefined ? ["it does not limit its permissions"] : []),
    ...Object.entries(workflow.permissions ?? {})
      .filter(([, right]) => right !== "read").map(([name]) => `every job may write ${name}`),
    ...(workflow.concurrency === undefined ? ["it does not say what may run at once"] : []),
    ...(workflow.defaults?.run?.shell === "bash"
      ? []
      : ["its scripts run in the system's shell, not in bash"]),
    ...jobs.flatMap(([name, job]) =>
      [
        ...shape(job),
        ...rights(name, job, tree),
        ...references(job, workflow),
        ...scripts(job, tree),
        ...artifacts(name, job, workflow),
      ].map((fault) => `${name}: ${fault}`)
    ),
    ...artifactsOfNobody(workflow),
  ];
}

/** `owner/name@COMMIT # vX.Y.Z`: a tag can be moved, a commit cannot; the comment is for people and for updates. */
function unpinned(text: string): string[] {
  const uses = [...text.matchAll(/^\s*(?:- )?uses: *(.*)$/gm)].map(([, what = ""]) => what);
  const faults = uses.filter((what) => !/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(what))
    .map((what) => `not pinned: ${what}`);
  const pins = new Map<string, string>();
  for (const what of uses) {
    const [action = "", pin = ""] = what.split("@");
    if (pins.has(action) && pins.get(action) !== pin) faults.push(`two versions of ${action}`);
    pins.set(action, pin);
  }
  return faults;
}

function shape(job: Job): string[] {
  const faults: string[] = [];
  if (job["runs-on"] === undefined) faults.push("it has no machine");
  if (job["timeout-minutes"] === undefined) faults.push("it may run for ever");
  for (const { run, uses } of job.steps) {
    if ((run === undefined) === (uses === undefined)) faults.push("a step must either run or use something");
  }
  const ids = job.steps.flatMap(({ id }) => id ?? []);
  if (new Set(ids).size !== ids.length) faults.push("two steps have one id");
  return faults;
}

function rights(name: string, job: Job, tree: Tree): string[] {
  const faults = Object.entries(job.permissions ?? {})
    .filter(([what, right]) => right !== "read" && !tree.mayWrite.includes(`${name}: ${what}`))
    .map(([what]) => `it may write ${what}`);
  if (JSON.stringify(job).includes("secrets.") && !tree.seesSecrets.includes(name)) {
    faults.push("it sees a secret");
  }
  for (const { uses, with: inputs } of job.steps) {
    const isCheckout = uses?.startsWith("actions/checkout@") === true;
    if (isCheckout && inputs?.["persist-credentials"] !== false) {
      faults.push("checkout leaves its token behind");
    }
  }
  return faults;
}

/** Whatever stands in `${{ }}`, and `needs`. */
function references(job: Job, { jobs, env = {} }: Workflow): string[] {
  const needs = needsOf(job);
  const faults = needs.filter((name) => jobs[name] === undefined).map((name) =>
    `it needs ${name}, which is not there`
  );
  const rows = job.strategy?.matrix.include ?? [];
  job.steps.forEach((step, at) => {
    const earlier = job.steps.slice(0, at).map(({ id }) => id);
    for (const [, expression = ""] of JSON.stringify(step).matchAll(/\$\{\{ *(.*?) *\}\}/g)) {
      const [kind, ...path] = expression.split(".");
      const [first = "", , last = ""] = path;
      const isKnown = kind === "github" || kind === "secrets" ||
        (kind === "env" && first in env) ||
        (kind === "matrix" && rows.length > 0 && rows.every((row) => first in row)) ||
        (kind === "steps" && earlier.includes(first)) ||
        (kind === "needs" && needs.includes(first) && last in (jobs[first]?.outputs ?? {}));
      if (!isKnown) faults.push(`nobody knows ${expression}`);
    }
    for (const [, expression = ""] of (step.run ?? "").matchAll(/\$\{\{ *(.*?) *\}\}/g)) {
      if (!expression.startsWith("matrix.")) {
        faults.push(`a script has ${expression} in it: hand it over by env`);
      }
    }
  });
  for (const expression of Object.values(job.outputs ?? {})) {
    const [, id = "", output = ""] = /steps\.([\w-]+)\.outputs\.([\w-]+)/.exec(expression) ?? [];
    const script = job.steps.find((step) => step.id === id)?.run ?? "";
    if (!script.includes(`${output}=`)) faults.push(`no step says ${expression}`);
  }
  return faults;
}

/** Tasks, files and variables that scripts name. */
function scripts(job: Job, tree: Tree): string[] {
  const faults: string[] = [];
  let hasTree = false;
  for (const step of job.steps) {
    if (step.uses?.startsWith("actions/checkout@") === true) hasTree = true;
    const text = [step.run ?? "", ...Object.values(step.with ?? {}).map(String)].join("\n");
    for (const [, task = ""] of text.matchAll(/deno@\S+ task (\S+)/g)) {
      if (!tree.tasks.includes(task)) faults.push(`there is no task ${task}`);
    }
    for (const [, version = ""] of text.matchAll(/deno@(\S+)/g)) {
      if (version !== tree.denoVersion) faults.push(`it takes Deno ${version}, not ${tree.denoVersion}`);
    }
    for (const path of pathsIn(text)) {
      if (!tree.has(path)) faults.push(`there is no ${path}`);
      else if (!hasTree) faults.push(`${path} is not checked out yet`);
    }
  }
  return faults;
}

/** Words that are files of the repository: in its folders, or with a script's name. dist/ is made on the way. */
function pathsIn(text: string): string[] {
  return [
    ...text.matchAll(
      /(?<![\w./$-])(?:(?:\.ci|\.github|deploy|lib|tests|docs|bench)\/[\w./-]+|[\w-]+\.sh\b)/g,
    ),
  ]
    .map(([path]) => path);
}

function artifacts(name: string, job: Job, workflow: Workflow): string[] {
  const before = ancestors(name, workflow);
  return namesOf(job, "actions/download-artifact@").flatMap((artifact) => {
    const makers = Object.entries(workflow.jobs)
      .filter(([, other]) => namesOf(other, "actions/upload-artifact@").includes(artifact)).map(([maker]) =>
        maker
      );
    if (makers.length !== 1) return [`${makers.length} jobs make the artifact ${artifact}`];
    return before.has(makers[0]!) ? [] : [`it does not wait for ${makers[0]}, which makes ${artifact}`];
  });
}

function artifactsOfNobody({ jobs }: Workflow): string[] {
  const all = Object.values(jobs);
  const taken = new Set(all.flatMap((job) => namesOf(job, "actions/download-artifact@")));
  return all.flatMap((job) => namesOf(job, "actions/upload-artifact@"))
    .filter((name) => !taken.has(name)).map((name) => `nobody takes the artifact ${name}`);
}

function namesOf(job: Job, action: string): string[] {
  return job.steps.filter(({ uses }) => uses?.startsWith(action)).map((step) => String(step.with?.["name"]));
}

/** All jobs that are over when this one begins. A circle ends too. */
function ancestors(name: string, { jobs }: Workflow): Set<string> {
  const seen = new Set<string>();
  const visit = (one: string): void => {
    for (const next of needsOf(jobs[one])) {
      if (seen.has(next)) continue;
      seen.add(next);
      visit(next);
    }
  };
  visit(name);
  return seen;
}

function needsOf(job: Job | undefined): readonly string[] {
  const needs = job?.needs ?? [];
  return typeof needs === "string" ? [needs] : needs;
}
