// The real machine, in one value: what main.ts gives to commands and a library user to `get`. It has the
// shapes of lib/mirror/machine.ts's Machine and lib/producer/machine.ts's without knowing them.

import type {
  Access,
  Clock,
  Files,
  HttpClient,
  HttpStreams,
  Net,
  OwnProgram,
  Programs,
  Random,
  Surroundings,
} from "../ports.ts";
import { systemAccess } from "./access.ts";
import { WorkerMills } from "./block_client.ts";
import { WorkerTester } from "./archive_test_client.ts";
import { WorkerChecker } from "./check_client.ts";
import { systemClock } from "./clock.ts";
import { WorkerExtractor } from "./extract_client.ts";
import { systemFiles } from "./files.ts";
import { WorkerHasher } from "./hash_client.ts";
import { WorkerExaminer } from "./ledger_client.ts";
import { systemHttp } from "./http.ts";
import { systemNet } from "./net.ts";
import { WorkerMatchers } from "./match_client.ts";
import { WorkerPacker } from "./pack_client.ts";
import { ownProgram } from "./own_program.ts";
import { systemPrograms } from "./programs.ts";
import { systemRandom } from "./random.ts";
import { systemSurroundings } from "./surroundings.ts";

/** This computer: its clock, files, sockets, chance and cores. It opens nothing until it is used. */
export class SystemMachine {
  readonly clock: Clock = systemClock;
  readonly random: Random = systemRandom;
  readonly files: Files = systemFiles;
  readonly access: Access = systemAccess;
  readonly net: Net = systemNet;
  readonly http: HttpClient & HttpStreams = systemHttp;
  readonly surroundings: Surroundings = systemSurroundings;
  readonly programs: Programs = systemPrograms;
  readonly extractor: WorkerExtractor = new WorkerExtractor(navigator.hardwareConcurrency);
  readonly mills: WorkerMills = new WorkerMills(navigator.hardwareConcurrency);
  readonly matchers: WorkerMatchers = new WorkerMatchers(navigator.hardwareConcurrency);
  readonly checker: WorkerChecker = new WorkerChecker(navigator.hardwareConcurrency);
  readonly hasher: WorkerHasher = new WorkerHasher(navigator.hardwareConcurrency);
  readonly tester: WorkerTester = new WorkerTester();
  readonly examiner: WorkerExaminer = new WorkerExaminer(navigator.hardwareConcurrency);
  readonly packer: WorkerPacker = new WorkerPacker();
  readonly cores: number = navigator.hardwareConcurrency;
  readonly pid: number = Deno.pid;
  readonly hostName: string = hostName();
  readonly self: OwnProgram = ownProgram;
  readonly client: string;

  /** @param client What we call ourselves to peers: "nano-snap 0.1.0". */
  constructor(client: string) {
    this.client = client;
  }
}

/** Who may not ask has no name; a process number then counts on this computer. */
function hostName(): string {
  try {
    return Deno.hostname();
  } catch {
    return "";
  }
}
