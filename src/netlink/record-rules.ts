import type { Family } from '../net/address.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Chain, RecordRule } from '../ruleset/ruleset.ts';
import { NLM_F_CREATE, PayloadWriter } from './message.ts';
import { NFGENMSG } from './nftables.ts';
import { PROTOCOL_FAMILY, encodeBatch } from './slot-elements.ts';
import type { Batch, Request } from './slot-elements.ts';

// Rules by netlink, expression by expression (include/uapi/linux/netfilter/nf_tables.h): those that fill a map from packets, and
// those that look for raw fields of an ICMP error in a map of typed keys. libnftables takes neither as JSON: the first not
// before 1.0.8, the second never.

const NFT_MSG_NEWRULE = 6;
const NFT_MSG_DELRULE = 8;
const NLM_F_APPEND = 0x800;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_USERDATA = 7;
/** Of the user data that nft lists as a comment (libnftnl/udata.h). */
const UDATA_COMMENT = 0;
const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
/** NFT_RETURN and NF_ACCEPT. */
const VERDICT = { return: -5, accept: 1 } as const;

const BASE = { network: 1, transport: 2 } as const;
const META = { protocol: 1, mark: 3, l4proto: 16 } as const;
const NFT_DYNSET_OP_UPDATE = 1;
const NFT_OBJECT_COUNTER = 1;
const NFT_REG_VERDICT = 0;
/** NFT_REG32_00: the first of sixteen registers of four octets. */
const FIRST_REGISTER = 8;
/** Behind the longest key. */
const SPARE_REGISTER = 20;

/** EtherTypes (IANA). */
const ETHER_TYPE = { 4: [0x08, 0x00], 6: [0x86, 0xdd] } as const;
/** Of the addresses in the headers of IP, octets (RFC 791 §3.1, RFC 8200 §3). */
const SOURCE = { 4: 12, 6: 8 } as const;
const DESTINATION = { 4: 16, 6: 24 } as const;
const LENGTH = { 4: 4, 6: 16 } as const;

/** Fills the chains anew, all of them or none. */
export function encodeRecordChains(chains: readonly Chain[], littleEndian: boolean): Batch {
  const requests = chains.flatMap(({ name, records = [] }): Request[] => [
    [NFT_MSG_DELRULE, 0, head(name, littleEndian).finish()],
    ...records.map((record): Request => {
      const payload = new Expressions(littleEndian).record(record);
      return [NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, ruleOf(name, record, payload, littleEndian)];
    }),
  ]);
  return encodeBatch(requests, littleEndian);
}

function head(chain: string, littleEndian: boolean): PayloadWriter {
  return new PayloadWriter(littleEndian)
    .u8(PROTOCOL_FAMILY.netdev)
    .bytes(new Uint8Array(NFGENMSG - 1))
    .attributeText(NFTA_RULE_TABLE, TABLE)
    .attributeText(NFTA_RULE_CHAIN, chain);
}

function ruleOf(chain: string, { purpose }: RecordRule, expressions: Uint8Array, littleEndian: boolean): Uint8Array {
  const comment = [...`!oneip: ${purpose}\0`].map((character) => character.charCodeAt(0));
  return head(chain, littleEndian)
    .nest(NFTA_RULE_EXPRESSIONS, (list) => list.bytes(expressions))
    .attribute(NFTA_RULE_USERDATA, [UDATA_COMMENT, comment.length, ...comment])
    .finish();
}

/** Collects the expressions of a rule. Numbers in attributes are in network order; marks are not. */
class Expressions {
  readonly #list: PayloadWriter;

  constructor(littleEndian: boolean) {
    this.#list = new PayloadWriter(littleEndian);
  }

  record(record: RecordRule): Uint8Array {
    switch (record.kind) {
      case 'remember': {
        const { family, protocol, map, seconds } = record;
        this.#load('protocol', SPARE_REGISTER);
        this.#compare(SPARE_REGISTER, ETHER_TYPE[family]);
        this.#load('l4proto', SPARE_REGISTER);
        this.#compare(SPARE_REGISTER, [protocol]);
        this.#flow(family);
        this.#load('mark', SPARE_REGISTER);
        this.#remember(map, seconds);
        return this.#verdict('return');
      }
      case 'full':
        this.#add('objref', (data) => data.attribute(1, be32(NFT_OBJECT_COUNTER)).attributeText(2, record.counter));
        this.#immediate(SPARE_REGISTER, [0, 0, 0, 0]);
        this.#add('meta', (data) => data.attribute(2, be32(META.mark)).attribute(3, be32(SPARE_REGISTER)));
        return this.#list.finish();
      case 'error': {
        const { family, map, layout, nextHeader } = record;
        if (nextHeader) {
          this.#field('transport', nextHeader.offset / 8, 1, SPARE_REGISTER);
          this.#compare(SPARE_REGISTER, [nextHeader.value]);
        }
        this.#flowInside(family, layout);
        const to = SPARE_REGISTER;
        this.#add('lookup', (data) =>
          data.attributeText(1, map).attribute(2, be32(FIRST_REGISTER)).attribute(3, be32(to)),
        );
        this.#add('meta', (data) => data.attribute(2, be32(META.mark)).attribute(3, be32(to)));
        return this.#verdict('accept');
      }
    }
  }

  /** The key of the packet's flow, as `flowKey` has it: each part at the start of a register. */
  #flow(family: Family): void {
    const size = LENGTH[family];
    this.#load('l4proto', FIRST_REGISTER);
    this.#field('network', SOURCE[family], size, FIRST_REGISTER + 1);
    this.#field('transport', 0, 2, FIRST_REGISTER + 1 + size / 4);
    this.#field('network', DESTINATION[family], size, FIRST_REGISTER + 2 + size / 4);
    this.#field('transport', 2, 2, FIRST_REGISTER + 2 + size / 2);
  }

  /** The same of the flow whose other direction is the packet inside an ICMP error. */
  #flowInside(family: Family, layout: Extract<RecordRule, { kind: 'error' }>['layout']): void {
    const size = LENGTH[family];
    const { protocol, source, destination, transport } = layout;
    this.#field('transport', protocol / 8, 1, FIRST_REGISTER);
    this.#field('transport', destination / 8, size, FIRST_REGISTER + 1);
    this.#field('transport', transport / 8 + 2, 2, FIRST_REGISTER + 1 + size / 4);
    this.#field('transport', source / 8, size, FIRST_REGISTER + 2 + size / 4);
    this.#field('transport', transport / 8, 2, FIRST_REGISTER + 2 + size / 2);
  }

  #remember(map: string, seconds: number): void {
    const timeout = new Uint8Array(8);
    new DataView(timeout.buffer).setBigUint64(0, BigInt(seconds) * 1000n);
    this.#add('dynset', (data) =>
      data
        .attributeText(1, map)
        .attribute(3, be32(NFT_DYNSET_OP_UPDATE))
        .attribute(4, be32(FIRST_REGISTER))
        .attribute(5, be32(SPARE_REGISTER))
        .attribute(6, timeout),
    );
  }

  #load(key: keyof typeof META, register: number): void {
    this.#add('meta', (data) => data.attribute(1, be32(register)).attribute(2, be32(META[key])));
  }

  #field(base: keyof typeof BASE, offset: number, length: number, register: number): void {
    this.#add('payload', (data) =>
      data
        .attribute(1, be32(register))
        .attribute(2, be32(BASE[base]))
        .attribute(3, be32(offset))
        .attribute(4, be32(length)),
    );
  }

  #compare(register: number, value: readonly number[]): void {
    this.#add('cmp', (data) =>
      data
        .attribute(1, be32(register))
        .attribute(2, be32(0))
        .nest(3, (inner) => inner.attribute(NFTA_DATA_VALUE, value)),
    );
  }

  #immediate(register: number, value: readonly number[]): void {
    this.#add('immediate', (data) =>
      data.attribute(1, be32(register)).nest(2, (inner) => inner.attribute(NFTA_DATA_VALUE, value)),
    );
  }

  #verdict(verdict: keyof typeof VERDICT): Uint8Array {
    this.#add('immediate', (data) =>
      data
        .attribute(1, be32(NFT_REG_VERDICT))
        .nest(2, (inner) =>
          inner.nest(NFTA_DATA_VERDICT, (to) => to.attribute(NFTA_VERDICT_CODE, be32(VERDICT[verdict]))),
        ),
    );
    return this.#list.finish();
  }

  /** `write` writes the attributes of the kind of expression, whose numbers are in the kernel's order of them. */
  #add(name: string, write: (data: PayloadWriter) => void): void {
    this.#list.nest(NFTA_LIST_ELEM, (element) =>
      element.attributeText(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, (data) => write(data)),
    );
  }
}

function be32(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
}
