// LuCI's `uci`: configuration files as sections, changed in the browser first, then staged on the router by `save`.
import { rpc } from './rpc.js';

const get = rpc.declare({ object: 'uci', method: 'get', params: ['config'], reject: true, expect: { values: {} } });
const stage = rpc.declare({ object: 'uci', method: 'stage', params: ['config', 'sections'], reject: true });
const applyStaged = rpc.declare({ object: 'uci', method: 'apply', reject: true });

const files = new Map();
let dirty = false;

const named = (config, name) => files.get(config)?.find((section) => section['.name'] === name);

export const uci = {
  async load(config) {
    if (files.has(config)) return;
    files.set(
      config,
      Object.values(await get(config)).sort((one, other) => one['.index'] - other['.index']),
    );
  },

  get(config, name, option) {
    const section = named(config, name);
    return (option === undefined ? section : section?.[option]) ?? null;
  },

  set(config, name, option, value) {
    dirty = true;
    const section = named(config, name);
    if (value === null || value === undefined || value.length === 0) Reflect.deleteProperty(section, option);
    else section[option] = value;
  },

  unset(config, name, option) {
    if (uci.get(config, name, option) !== null) uci.set(config, name, option, null);
  },

  add(config, type, name) {
    dirty = true;
    files.get(config).push({ '.type': type, '.name': name, '.anonymous': false });
    return name;
  },

  remove(config, name) {
    dirty = true;
    files.set(
      config,
      files.get(config).filter((section) => section['.name'] !== name),
    );
  },

  sections(config, type) {
    return (files.get(config) ?? []).filter((section) => type === undefined || section['.type'] === type);
  },

  /** Stages what has changed, and reads it again. */
  async save() {
    if (!dirty) return;
    for (const [config, sections] of files) await stage(config, sections);
    dirty = false;
    const configs = [...files.keys()];
    files.clear();
    await Promise.all(configs.map((config) => uci.load(config)));
  },

  apply: () => applyStaged(),
};
