import { decodeUtf8 } from '../../net/utf8.ts';

// HTTP/1.x answers (RFC 9112), read as they come: the status line, the header, and as much of the body as is looked at.

/** Bytes of lines: status, header, chunk sizes and trailer together. */
const LINES_LIMIT = 65536;
/** Bytes of the body that are kept; the answer counts as complete behind them. */
export const BODY_LIMIT = 65536;

const LF = 10;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-9]\d\d)(?: .*)?$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/;

/** What comes next: a line of some kind, or so many bytes of the body (or chunk), or all to the connection's end. */
type Expected = 'status' | 'header' | 'chunk size' | 'chunk end' | 'trailer' | 'bytes' | 'to the end' | 'nothing';

/** An answer under way. */
export class HttpAnswer {
  /** 0 until the header is complete. */
  status = 0;
  /** Values by lower-case name, in order. */
  readonly header = new Map<string, string[]>();
  /** What is wrong with it, in a few words; nothing is read behind it. */
  malformed: string | undefined;
  #expected: Expected = 'status';
  /** Of a line that has not ended yet. */
  readonly #line: number[] = [];
  #lineBytes = 0;
  #announced = 0;
  #chunked = false;
  #remaining = 0;
  #body = new Uint8Array(4096);
  #bodyLength = 0;

  /** The body so far, at most `BODY_LIMIT` bytes. */
  get body(): Uint8Array {
    return this.#body.subarray(0, this.#bodyLength);
  }

  /** Nothing more will be looked at. */
  get complete(): boolean {
    return this.#expected === 'nothing';
  }

  feed(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length && !this.complete && this.malformed === undefined) {
      const inBody = this.#expected === 'bytes' || this.#expected === 'to the end';
      offset = inBody ? this.#takeBody(bytes, offset) : this.#takeLine(bytes, offset);
    }
  }

  /** The connection has ended. False where it did so too early. */
  end(): boolean {
    if (this.#expected === 'to the end') this.#expected = 'nothing';
    return this.complete;
  }

  #takeBody(bytes: Uint8Array, offset: number): number {
    const available = bytes.length - offset;
    const isCounted = this.#expected === 'bytes';
    const count = isCounted ? Math.min(available, this.#remaining) : available;
    this.#keep(bytes.subarray(offset, offset + count));
    if (isCounted) this.#remaining -= count;
    if (this.#bodyLength === BODY_LIMIT) this.#expected = 'nothing';
    else if (isCounted && this.#remaining === 0) this.#expected = this.#chunked ? 'chunk end' : 'nothing';
    return offset + count;
  }

  #keep(bytes: Uint8Array): void {
    const length = Math.min(this.#bodyLength + bytes.length, BODY_LIMIT);
    if (length > this.#body.length) {
      const larger = new Uint8Array(Math.min(Math.max(length, this.#body.length * 2), BODY_LIMIT));
      larger.set(this.body);
      this.#body = larger;
    }
    this.#body.set(bytes.subarray(0, length - this.#bodyLength), this.#bodyLength);
    this.#bodyLength = length;
  }

  #takeLine(bytes: Uint8Array, offset: number): number {
    const end = bytes.indexOf(LF, offset);
    const next = end < 0 ? bytes.length : end + 1;
    this.#lineBytes += next - offset;
    if (this.#lineBytes > LINES_LIMIT) {
      this.malformed = 'header too long';
      return next;
    }
    for (const byte of bytes.subarray(offset, next)) this.#line.push(byte);
    if (end >= 0) this.#ended(decodeUtf8(Uint8Array.from(this.#line.splice(0))).replace(/\r?\n$/, ''));
    return next;
  }

  #ended(line: string): void {
    switch (this.#expected) {
      case 'status':
        return this.#begins(line);
      case 'header':
        return line === '' ? this.#headerEnds() : this.#takeField(line);
      case 'chunk size':
        return this.#chunkBegins(line);
      case 'chunk end':
        if (line === '') this.#expected = 'chunk size';
        else this.malformed = 'bad chunk';
        return;
      case 'trailer':
        if (line === '') this.#expected = 'nothing';
    }
  }

  #begins(line: string): void {
    const [, status] = STATUS_LINE.exec(line) ?? [];
    if (status === undefined) this.malformed = 'no HTTP';
    this.#announced = Number(status);
    this.#expected = 'header';
  }

  #takeField(line: string): void {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined) {
      this.malformed = 'bad header';
      return;
    }
    const key = name.toLowerCase();
    const values = this.header.get(key);
    if (values) values.push(value.trim());
    else this.header.set(key, [value.trim()]);
  }

  #headerEnds(): void {
    if (this.#announced < 200 && this.#announced !== 101) {
      // An interim answer (RFC 9110 §15.2): the real one follows. What follows 101 is no HTTP.
      this.header.clear();
      this.#expected = 'status';
      return;
    }
    this.status = this.#announced;
    this.#bodyFollows();
  }

  /** RFC 9112 §6.3. */
  #bodyFollows(): void {
    const codings = (this.header.get('transfer-encoding') ?? []).join(',').toLowerCase();
    const lengths = new Set((this.header.get('content-length') ?? []).flatMap((value) => value.split(/\s*,\s*/)));
    const [length = ''] = lengths;
    if (this.status < 200 || this.status === 204 || this.status === 304) this.#expected = 'nothing';
    else if (/(^|[,\s])chunked$/.test(codings)) {
      this.#chunked = true;
      this.#expected = 'chunk size';
    } else if (codings !== '' || lengths.size === 0) this.#expected = 'to the end';
    else if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) this.malformed = 'bad length';
    else this.#expectBytes(Number(length));
  }

  #expectBytes(count: number): void {
    this.#remaining = count;
    this.#expected = count === 0 ? 'nothing' : 'bytes';
  }

  #chunkBegins(line: string): void {
    const [, size] = CHUNK_LINE.exec(line) ?? [];
    if (size === undefined) this.malformed = 'bad chunk';
    else if (/^0+$/.test(size)) this.#expected = 'trailer';
    else this.#expectBytes(parseInt(size, 16));
  }
}
