/**
 * What the C host (`src/native/`) offers to scripts. Only `src/host/` imports it.
 *
 * Wrong argument types throw `TypeError`; a failed system call throws an `Error` with `code` (`'ECONNREFUSED'`), `errno`
 * and `syscall`. A throw in a callback is reported on standard error with its stack and ends nothing.
 */
declare module 'oneip:runtime' {
  /** `Error` of a failed system call. */
  export interface SystemError extends Error {
    readonly code: string;
    readonly errno: number;
    readonly syscall: string;
  }

  /** Version of the host, and of the engine in it. */
  export const version: string;
  export const engineVersion: string;
  /** True where the CPU stores the low byte first. */
  export const littleEndian: boolean;
  /** Arguments behind the script's name. */
  export const args: readonly string[];
  /** Absolute path of the running script. */
  export const scriptPath: string;
  export const pid: number;

  /** Ends the process after flushing; never returns. */
  export function exit(status: number): never;
  /** An environment variable. */
  export function getenv(name: string): string | undefined;

  /** Milliseconds of CLOCK_MONOTONIC, with a fraction. */
  export function monotonic(): number;
  /** Milliseconds of processors' time that this process has used, with a fraction. */
  export function processorTime(): number;
  /** Milliseconds of CLOCK_REALTIME since 1970. */
  export function realtime(): number;
  export interface Timer {
    /** Idempotent. */
    cancel(): void;
  }
  /** Calls back once after `delay` milliseconds (0 = in the next turn of the loop), or every `delay` where `repeat`. A pending timer keeps the process alive. */
  export function setTimer(callback: () => void, delay: number, repeat?: boolean): Timer;

  export type SignalName = 'SIGTERM' | 'SIGHUP' | 'SIGINT' | 'SIGUSR1' | 'SIGUSR2' | 'SIGWINCH';
  /** Sets or (with `null`) removes the handler of a signal. Handlers do not keep the process alive. SIGCHLD belongs to `spawn`, SIGPIPE is ignored. */
  export function onSignal(signal: SignalName, callback: (() => void) | null): void;
  /** kill(2); `signal` may be any signal's name, or 0 to ask whether the process exists. */
  export function kill(pid: number, signal: string | 0): void;

  export interface SpawnOptions {
    /** Written to the child's standard input, which is then closed; default: the input is empty. */
    input?: string | Uint8Array;
    /** Whole environment; default: ours. */
    env?: Readonly<Record<string, string>>;
    cwd?: string;
    /** Milliseconds until the child, and what it started, gets SIGKILL; 0 = none. Outputs are then waited for no longer. */
    timeout?: number;
    /** Bytes kept of each output (the rest is read and dropped); default 1 MiB. */
    outputLimit?: number;
    /** True: the child reads our own standard input and writes to our own outputs; nothing is captured. */
    inherit?: boolean;
  }
  export interface SpawnResult {
    /** Exit status, or `null` where a signal ended it. */
    readonly status: number | null;
    readonly signal: string | null;
    readonly timedOut: boolean;
    readonly stdout: Uint8Array;
    readonly stderr: Uint8Array;
  }
  export interface Process {
    readonly pid: number;
    /** Throws ESRCH once the child has ended. */
    kill(signal: string): void;
  }
  /** Starts `argv[0]` (looked up in PATH). `done` is called once, when the child has ended and its outputs are closed. A program that is not there throws ENOENT. */
  export function spawn(argv: readonly string[], options: SpawnOptions, done: (result: SpawnResult) => void): Process;

  export type SocketDomain = 'unix' | 'inet' | 'inet6' | 'netlink' | 'packet';
  export type SocketType = 'stream' | 'dgram' | 'raw' | 'seqpacket';
  /** A path that begins with NUL is a name in the abstract namespace, see unix(7); an empty one is no name. */
  export type SocketAddress =
    | { readonly path: string }
    | { readonly address: string; readonly port: number; readonly scopeId?: number }
    | { readonly nlPid: number; readonly nlGroups: number }
    | {
        readonly ifindex: number;
        readonly protocol: number;
        readonly hardware?: Uint8Array;
        readonly packetType?: number;
      };
  export interface Received {
    readonly data: Uint8Array;
    /** Sender, where the socket is not connected. */
    readonly from?: SocketAddress;
    /** True where the datagram was longer than `size`. */
    readonly truncated: boolean;
  }
  /** A non-blocking, close-on-exec socket. Closed by `close()` or when collected (unless a callback is set, which also keeps the process alive). */
  export class Socket {
    /** `protocol`: number as in socket(2), e.g. 1 ICMP, 58 ICMPv6, 0 NETLINK_ROUTE, 12 NETLINK_NETFILTER; ETH_P_* in host order for packet sockets. */
    constructor(domain: SocketDomain, type: SocketType, protocol?: number);
    /** Descriptor, or -1 once closed. */
    readonly fd: number;
    bind(address: SocketAddress): void;
    /** True: connected; false: in progress (wait for `onWritable`, then ask `getOption('SO_ERROR')`). */
    connect(address: SocketAddress): boolean;
    listen(backlog?: number): void;
    /** `null` where nobody waits. */
    accept(): Socket | null;
    /** Bytes taken, which may be fewer than given; -1 where the socket is full. */
    send(data: Uint8Array, to?: SocketAddress): number;
    /** `null` where nothing waits; on a stream, empty data means that the peer has closed. */
    receive(size: number): Received | null;
    shutdown(how: 'read' | 'write' | 'both'): void;
    /** Own address, e.g. the port or nlPid that the kernel chose. */
    localAddress(): SocketAddress;
    /** The peer's; throws ENOTCONN where there is none. */
    peerAddress(): SocketAddress;
    /**
     * Sets an option named as in C (`src/native/socket_option.c` lists them): those of socket(7), ip(7), ipv6(7), tcp(7),
     * packet(7) and netlink(7) that a router needs, e.g. 'SO_RCVBUF', 'SO_MARK', 'IP_TTL', 'IPV6_V6ONLY',
     * 'NETLINK_ADD_MEMBERSHIP'. `value`: a string only for 'SO_BINDTODEVICE'; bytes for an option that takes a struct.
     */
    setOption(name: string, value: number | string | Uint8Array): void;
    /** Value of an option that is an `int`. */
    getOption(name: string): number;
    /** Joins a multicast group on a device: IPv4 or IPv6 address. */
    joinGroup(address: string, ifindex: number): void;
    /** Classic BPF filter as an array of [code, jt, jf, k]; empty = detach. */
    setFilter(program: readonly (readonly [number, number, number, number])[]): void;
    /** Level-triggered; `null` stops. An error or a hang-up counts as both readable and writable. */
    onReadable(callback: (() => void) | null): void;
    onWritable(callback: (() => void) | null): void;
    /** Idempotent; every later call on the socket throws EBADF. */
    close(): void;
  }

  export interface FileStatus {
    readonly type: 'file' | 'directory' | 'symlink' | 'socket' | 'device' | 'fifo';
    readonly size: number;
    readonly mode: number;
    /** Milliseconds since 1970. */
    readonly modified: number;
  }
  /** Whole file, also of /proc and /sys whose size is not known; throws EFBIG beyond `limit` (default 16 MiB). */
  export function readFile(path: string, limit?: number): Uint8Array;
  /** Writes in place (what /proc and /sys want). */
  export function writeFile(path: string, data: string | Uint8Array): void;
  /** Replaces the file in one step: temporary file beside it, fsync, rename. Mode default 0o644. On failure (a full disk) the old file stays and no temporary one. */
  export function replaceFile(path: string, data: string | Uint8Array, mode?: number): void;
  export function removeFile(path: string): void;
  export function makeDirectory(path: string, mode?: number): void;
  /** Names in order of their bytes, without `.` and `..`. */
  export function readDirectory(path: string): string[];
  export function readLink(path: string): string;
  /** `null` where nothing is there. Does not follow a symlink in the last place. */
  export function fileStatus(path: string): FileStatus | null;
  /** Writes all of it to standard output (1) or error (2), waiting as needed; EPIPE throws. */
  export function writeOutput(fd: 1 | 2, text: string): void;
  /** Standard input to its end. */
  export function readInput(): Uint8Array;
  /** The next line of standard input, without its end, at most 4096 bytes of it; `null` at the end. Nothing else runs meanwhile. */
  export function readLine(): string | null;
  export function isTerminal(fd: 0 | 1 | 2): boolean;
  /** Columns of the terminal; `null` where it is none. */
  export function terminalWidth(fd: 1 | 2): number | null;
  /** Exclusive lock of a file (created as needed), held until the process ends; false where another process holds it. */
  export function lockFile(path: string): boolean;

  /** Lone surrogates become U+FFFD. */
  export function encodeUtf8(text: string): Uint8Array;
  /** Malformed sequences become U+FFFD. */
  export function decodeUtf8(bytes: Uint8Array): string;
  export function randomBytes(count: number): Uint8Array;
  /** The 32 bytes of HMAC-SHA-256 (RFC 2104, FIPS 180-4). */
  export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Whether both are the same, in a time that only their lengths tell: what differs cannot be found byte by byte. */
  export function equalBytes(one: Uint8Array, other: Uint8Array): boolean;
  /** Interface number of a device; 0 where there is none. */
  export function interfaceIndex(device: string): number;
  /**
   * Returns when the kernel has finished with all packets that it was processing at the time of the call: an RCU grace period,
   * some 10 to 30 ms (`MEMBARRIER_CMD_GLOBAL` of membarrier(2)). False where the kernel does not offer it.
   */
  export function awaitGracePeriod(): boolean;

  /**
   * Counts the entries of a datagram of a netlink dump by ranges of keys; what an earlier dump left behind is none. -1: there is
   * more to come; else the error number with which the dump has ended (0: none).
   *
   * `plan`, in bytes: length of the header of the message's family; the path of a list of entries (a byte for its depth, then
   * the types of attributes, each in the one before; of depth 0: a message is one entry); the path of a byte, and the most that
   * it may be for the entry to count (of depth 0: whatever it is); and the parts of the key, each as its length and a path.
   * What an entry does not have is zeros. A key has 1 to 64 bytes. `ranges`: first and last key of each range, ascending.
   * `counts`: a `Uint32Array` as bytes, one number for each range, to which is added.
   */
  export function tally(
    datagram: Uint8Array,
    sequence: number,
    plan: Uint8Array,
    ranges: Uint8Array,
    counts: Uint8Array,
  ): number;

  export interface NftResult {
    /** 0 = done; anything else: nothing was changed. */
    readonly status: number;
    /** What libnftables printed: JSON. */
    readonly json: string;
    /** What it complained of. */
    readonly error: string;
  }
  export const nft: {
    /**
     * Runs one transaction, or list command, given as libnftables JSON (libnftables-json(5)). `terse`: lists no elements of
     * sets and maps. Throws where libnftables cannot be loaded. What it leaves behind is given up by the next run, or by
     * `memory.trim()`: right after a transaction that would take 15 ms.
     */
    run(json: string, terse?: boolean): NftResult;
    /** True once libnftables could be loaded (tries to). */
    available(): boolean;
  };

  export const memory: {
    /** Collects garbage and gives free memory back to the system, and what the last `nft.run` has left. */
    trim(): void;
    /** Bytes the engine has allocated. */
    used(): number;
    /** Limit of the engine's memory in bytes; 0 = none. */
    setLimit(bytes: number): void;
  };
}
