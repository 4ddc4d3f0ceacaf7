// What the program needs of the machine, as interfaces. lib/io implements them; tests may implement them in five
// lines. Failures come as SnapErrors (PathUnusable, NotEnoughSpace, PortTaken, OperationFailed), never as the
// runtime's own.

/** An IP address in text form and a port, 1 to 65535. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Time. Cores never read it; they are told. */
export interface Clock {
  /** Milliseconds that only grow, from an arbitrary start: for deadlines and rates. */
  nowMs(): number;
  /** Milliseconds since 1970: for files and people. */
  unixMs(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Chance. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

/** One TCP connection. Reads and writes go into and out of the caller's buffers: no copy is kept. */
export interface TcpConn {
  readonly remote: Endpoint;
  /** Reads what has come, at most `into.length` bytes; null at the end. Rejects when the connection breaks. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes everything. The caller must not touch the bytes until it resolves. */
  writeAll(bytes: Uint8Array): Promise<void>;
  /** Closes both directions; safe twice. Pending reads end. */
  close(): void;
}

/** A bound TCP port. */
export interface TcpListener {
  readonly local: Endpoint;
  /** The next connection; null once closed. */
  accept(): Promise<TcpConn | null>;
  close(): void;
}

/** A bound UDP socket. */
export interface UdpSocket {
  readonly local: Endpoint;
  /** Called once per datagram. The bytes are the receiver's to keep. One receiver at a time. */
  onDatagram(receive: (bytes: Uint8Array, from: Endpoint) => void): void;
  /** Fire and forget, as UDP is: what cannot be sent is lost. */
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): Promise<void>;
}

/** Sockets and names. */
export interface Net {
  /** Port 0 takes a free one. @throws {PortTaken} */
  listenTcp(at: Endpoint): TcpListener;
  /** Rejects after `timeoutMs` or when the signal aborts. */
  dialTcp(to: Endpoint, options: { timeoutMs: number; signal: AbortSignal }): Promise<TcpConn>;
  /** Port 0 takes a free one. @throws {PortTaken} */
  openUdp(at: Endpoint): Promise<UdpSocket>;
  /** A name's addresses, IPv4 first; an address stands for itself. Empty when it cannot be resolved. */
  resolve(host: string): Promise<string[]>;
}

/** The network that this machine is in: its router (of IPv4), and who shares it. */
export interface Surroundings {
  /** The router on the way out; undefined where the system does not tell, or there is none. */
  gateway(): string | undefined;
  /** Our own address on the way to a TCP port nearby; undefined when nothing answers there. */
  addressTowards(
    to: Endpoint,
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<string | undefined>;
  /**
   * A socket that takes what is sent to a multicast group, and sends to it. Several programs may have one at once.
   *
   * @param group Of IPv4 or IPv6, which is then the socket's only family.
   * @param on The address of the interface (IPv4 only); undefined for where the system would send it.
   * @throws {OperationFailed} Also where there is no network.
   */
  joinGroup(group: Endpoint, on: string | undefined): Promise<UdpSocket>;
  /** This machine's IPv6 addresses. */
  ipv6Addresses(): string[];
}

/** What an HTTP server answered. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Fetching over HTTP. */
export interface HttpClient {
  /**
   * Gets one document over HTTP or HTTPS, following a few redirects. No cookies are kept or sent.
   *
   * @param options.timeoutMs Until the last byte is here.
   * @param options.maxBytes Of the body, unpacked; a longer one is an error and is not read to its end.
   * @returns Whatever the status.
   * @throws {OperationFailed} The message names the host only: paths and queries may hold secrets.
   */
  get(
    url: string,
    options: {
      readonly timeoutMs: number;
      readonly maxBytes: number;
      readonly signal: AbortSignal;
      readonly headers?: Readonly<Record<string, string>>;
      /** The address of this machine that the request leaves from; undefined for the system's choice. */
      readonly from?: string | undefined;
    },
  ): Promise<HttpResponse>;
}

/** An HTTP answer that is read as it comes. */
export interface HttpStream {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The next bytes of the body, the caller's to keep; null at its end. @throws {OperationFailed} */
  read(): Promise<Uint8Array | null>;
  /** Gives up what has not been read; safe twice. */
  close(): void;
}

/** HTTP for bodies that do not fit into memory, and for sending. */
export interface HttpStreams {
  /**
   * Sends one request, as `HttpClient.get` follows redirects and keeps no cookies; with a body it is a POST and follows
   * none. The answer is not decompressed by our asking: its bytes are the server's.
   *
   * @param options.timeoutMs For the head of the answer, and again for each piece of its body.
   * @returns Whatever the status. To be closed.
   * @throws {OperationFailed} The message names the host only: paths and queries may hold secrets.
   */
  open(
    url: string,
    options: {
      readonly timeoutMs: number;
      readonly signal: AbortSignal;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: Uint8Array;
      /** Where it begins with https, no redirect may lead away from that. */
      readonly secure?: boolean;
    },
  ): Promise<HttpStream>;
}

/** How another program ended. */
export interface ProgramEnd {
  /** 0 when all went well; above 128 when a signal ended it. */
  readonly code: number;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

/** A process that has a file open or locked. */
export interface Holder {
  /** undefined when the system hides it: in another container, or on Windows. */
  readonly pid: number | undefined;
  /** "nano_node"; empty when it is hidden. */
  readonly name: string;
  /** The lines of its /proc/PID/cgroup on Linux, which name its service or container; empty elsewhere. */
  readonly cgroup: string;
}

/** Held: whoever opens the LMDB environment waits, and then gives up. */
export interface StartLock {
  /** Who has the lock file open besides us, whatever its name by now. */
  waiting(): readonly Holder[];
  /** Safe twice. */
  release(): void;
}

/** Other programs of this machine. */
export interface Programs {
  /** Where the first of these lies that is installed; undefined when none is. */
  find(...names: readonly string[]): string | undefined;
  /**
   * Runs a program to its end, without a shell. It is killed when the signal aborts.
   *
   * @param options.env Variables besides our own, of which it never gets the producer's key.
   * @param options.onOutput Takes what it writes to stdout, as it comes.
   * @throws {OperationFailed} When it cannot be started. @throws The signal's reason.
   */
  run(
    program: string,
    args: readonly string[],
    options: {
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly signal: AbortSignal;
      readonly onOutput?: (text: string) => void;
    },
  ): Promise<ProgramEnd>;
  /**
   * Who has one of these files open or locked: "process 812 (nano_node)". Empty when nobody has.
   *
   * @returns undefined where the system does not tell.
   */
  holdersOf(paths: readonly string[]): readonly string[] | undefined;
  /**
   * The same, with what the system tells of each.
   *
   * @returns undefined where the system does not tell.
   */
  holders(paths: readonly string[]): readonly Holder[] | undefined;
  /**
   * Shuts out whoever would open an LMDB environment, and empties its lock file.
   *
   * @returns "taken" while somebody has it open; undefined where that cannot be had.
   */
  startLock(lockFile: string): StartLock | "taken" | undefined;
  /** Whether a process of this number runs on this computer, whoever's it is. */
  isRunning(pid: number): boolean;
  /** Sends SIGHUP. @returns false when there is no such process, or it is somebody else's. */
  hangUp(pid: number): boolean;
}

/** The program that runs this code. */
export interface OwnProgram {
  /** Where it lies, links followed; undefined when it runs from source. */
  readonly path: string | undefined;
  /** The system that it was compiled for: "x86_64-unknown-linux-gnu". */
  readonly target: string;
  /** Whether another file can be renamed over it while it runs. Windows only lets it be moved. */
  readonly canReplace: boolean;
  /** Sets who may do what with a file, as chmod writes it (0o755); nothing where the system has no such bits. */
  setMode(path: string, mode: number): void;
}

/**
 * A number that a file system gives: itself while it is exact, else a text that stands for that one alone. Only to be
 * compared, and written down.
 */
export type FileNumber = number | string;

/** What identifies a file and tells whether somebody else touched it. */
export interface FileFacts {
  readonly kind: "file" | "directory" | "other";
  readonly size: number;
  /** Bytes that the file really takes on disk (a sparse file takes fewer than its size). */
  readonly allocated: number;
  readonly mtimeMs: number;
  readonly device: number;
  readonly inode: FileNumber;
  /** Who may do what, as chmod writes it (0o600); undefined where the system has no such bits. */
  readonly mode?: number | undefined;
}

/** An open file, read and written at positions, without promises: the page cache is faster than an event loop. */
export interface OpenFile {
  readonly path: string;
  /** Reads up to `into.length` bytes at a position; fewer only at the end of the file. */
  readAt(into: Uint8Array, at: number): number;
  /** Writes all bytes at a position; a hole before it stays a hole. @throws {NotEnoughSpace} */
  writeAt(bytes: Uint8Array, at: number): void;
  truncate(size: number): void;
  facts(): FileFacts;
  /** Resolves once the data is on stable storage; does not stop the event loop. */
  sync(): Promise<void>;
  close(): void;
}

/** A user and a group, by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whose files are whose; on Windows, which has other rules, nobody's. */
export interface Access {
  /** Who we are; undefined on Windows. */
  readonly self: Owner | undefined;
  /** undefined when nothing is there, and on Windows. */
  ownerOf(path: string): Owner | undefined;
  /**
   * Gives a file with no other name, or a folder, to its user, with a mode as chmod writes it, and flushes that. Nothing
   * on Windows.
   *
   * @throws {PathUnusable} Also for a link.
   */
  give(path: string, owner: Owner | undefined, mode: number): void;
}

/** Held until it is released or the process ends. */
export interface FileLock {
  release(): void;
}

/** The file system. */
export interface Files {
  /** "read" and "write" want the file to exist; "create" makes it (mode 0644) or keeps what is there. */
  open(path: string, how: "read" | "write" | "create"): OpenFile;
  /** undefined when nothing is there; links are followed. */
  stat(path: string): FileFacts | undefined;
  /** undefined when nothing is there. @throws {PathUnusable} Also when it is longer than `maxBytes`. */
  read(path: string, maxBytes: number): Uint8Array | undefined;
  /** Temp file beside it, fsync, rename, fsync of the folder: old or new, never torn. */
  writeAtomic(path: string, bytes: Uint8Array, mode?: number): void;
  /** The same without a flush, for what is written all the time: after a crash of the machine it may be gone. */
  replace(path: string, bytes: Uint8Array): void;
  /** Makes a file that was not there, fsynced. @throws {PathUnusable} Also when anything has that name, a link too. */
  writeNew(path: string, bytes: Uint8Array, mode?: number): void;
  /** The path without links; undefined when nothing is there. */
  realPath(path: string): string | undefined;
  /** Renames, then fsyncs the target's folder. */
  rename(from: string, to: string): void;
  /**
   * Gives a file another name on the same file system, then fsyncs that one's folder.
   *
   * @throws {PathUnusable | OperationFailed} Also when it is taken.
   */
  link(from: string, to: string): void;
  /** Removes a file; nothing there is fine. */
  remove(path: string): void;
  /** Removes a folder and all in it; nothing there is fine. */
  removeAll(path: string): void;
  /** Makes a folder and its parents (mode 0755); there already is fine. */
  makeDir(path: string): void;
  /** Names in a folder, sorted; empty when there is none. */
  list(path: string): string[];
  /** Bytes an ordinary user may still write on that path's filesystem. */
  freeBytes(path: string): number;
  /** An exclusive lock that dies with the process; undefined when another process has it. The file holds `note`. */
  lock(path: string, note: string): FileLock | undefined;
  /** Changes with each boot; undefined where the system has none. */
  bootId(): string | undefined;
}
