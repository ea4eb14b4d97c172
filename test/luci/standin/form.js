// LuCI's `form`: sections of a configuration file as fields and tables. One dialogue at a time, no tabs: what LuCI puts on
// tabs stands below each other here.
import { Class, dom, E, L } from './luci.js';
import { rpc } from './rpc.js';
import { uci } from './uci.js';
import { ui } from './ui.js';

const callAccess = rpc.declare({
  object: 'session',
  method: 'access',
  params: ['scope', 'object', 'function'],
  expect: { access: false },
});

/** A field whose value is wrong. */
class Invalid extends Error {}

const AbstractValue = Class.extend({
  rmempty: true,
  optional: false,

  begin(section, option, title, description) {
    Object.assign(this, {
      section,
      option,
      title,
      description,
      keylist: [],
      vallist: [],
      dependencies: [],
      fields: {},
    });
    return this;
  },

  value(key, text) {
    this.keylist.push(String(key));
    this.vallist.push(text ?? String(key));
  },

  depends(condition) {
    this.dependencies.push(condition);
  },

  load(id) {
    return uci.get('oneip', id, this.option);
  },

  cfgvalue(id) {
    return this.values?.[id] ?? null;
  },

  textvalue(id) {
    const value = this.cfgvalue(id);
    const text = value === null ? (this.default ?? null) : L.toArray(value).join(' ');
    return text === null ? E('em', {}, 'none') : text;
  },

  write(id, value) {
    uci.set('oneip', id, this.option, value);
  },

  remove(id) {
    uci.unset('oneip', id, this.option);
  },

  async read(id) {
    this.values = { ...this.values, [id]: (await this.load(id)) ?? null };
  },

  /** The field with its label, in a dialogue. */
  row(id) {
    const name = `cbid.oneip.${id}.${this.option}`;
    const field = this.widget(id, `widget.${name}`);
    const row = E('div', { class: 'cbi-value', 'data-name': this.option, 'data-field': name }, [
      E('label', { class: 'cbi-value-title', for: `widget.${name}` }, this.title),
      E('div', { class: 'cbi-value-field' }, [
        field,
        this.description ? E('div', { class: 'cbi-value-description' }, this.description) : null,
      ]),
    ]);
    this.fields[id] = { row, field };
    return row;
  },

  /** Whether the fields on which this one depends say that it counts. */
  isActive(id) {
    if (this.dependencies.length === 0) return true;
    return this.dependencies.some((condition) =>
      Object.entries(condition).every(
        ([name, value]) => this.section.children.find(({ option }) => option === name).formvalue(id) === value,
      ),
    );
  },

  /** Complaints of the check about each of the values. */
  validity(id) {
    const values = L.toArray(this.formvalue(id));
    if (values.length === 0) return this.rmempty || this.optional;
    return values.every((value) => (this.validate ? this.validate(id, value) : true) === true);
  },

  parse(id) {
    if (!this.fields[id]) return;
    const isActive = this.isActive(id);
    const value = isActive ? this.formvalue(id) : null;
    if (isActive && !this.validity(id)) throw new Invalid(`Option "${this.title}" contains an invalid input value.`);
    if (value === null || value.length === 0) this.remove(id);
    else if (JSON.stringify(value) !== JSON.stringify(this.cfgvalue(id))) this.write(id, value);
  },

  isReadonly() {
    return this.section.map.readonly ? '' : null;
  },

  /** A text field that is marked while its value is wrong. */
  input(id, name, value) {
    const list = this.keylist.length > 0 ? `${name}.choices` : null;
    const field = E('input', {
      type: 'text',
      id: name,
      class: 'cbi-input-text',
      placeholder: this.placeholder,
      value: value ?? '',
      list,
      disabled: this.isReadonly(),
    });
    ui.addValidator(field, 'string', true, (text) => (this.validate ? this.validate(id, text) : true));
    return field;
  },
});

const Value = AbstractValue.extend({
  widget(id, name) {
    return this.input(id, name, this.cfgvalue(id));
  },

  formvalue(id) {
    return this.fields[id].field.value.trim();
  },
});

const ListValue = AbstractValue.extend({
  widget(id, name) {
    const value = this.cfgvalue(id) ?? this.default;
    return E(
      'select',
      { id: name, class: 'cbi-input-select', disabled: this.isReadonly(), change: () => this.section.showActive(id) },
      this.keylist.map((key, index) =>
        E('option', { value: key, selected: key === value ? '' : null }, this.vallist[index]),
      ),
    );
  },

  formvalue(id) {
    return this.fields[id].field.value;
  },
});

const Flag = AbstractValue.extend({
  widget(id, name) {
    const value = this.cfgvalue(id) ?? this.default;
    return E('input', { type: 'checkbox', id: name, checked: value === '1' ? '' : null, disabled: this.isReadonly() });
  },

  formvalue(id) {
    return this.fields[id].field.checked ? '1' : '0';
  },

  parse(id) {
    if (!this.fields[id]) return;
    const value = this.formvalue(id);
    if (value === this.default && this.rmempty) this.remove(id);
    else if (value !== this.cfgvalue(id)) this.write(id, value);
  },
});

const DynamicList = AbstractValue.extend({
  widget(id, name) {
    const list = E('div', { class: 'cbi-dynlist' });
    const add = (value, itemName) => {
      const field = this.input(id, itemName, value);
      list.insertBefore(E('div', { class: 'item' }, field), list.lastElementChild);
    };
    list.append(
      E('button', { class: 'btn cbi-button-add', 'aria-label': `+ ${this.title}`, click: () => add('', null) }, '+'),
    );
    for (const value of L.toArray(this.cfgvalue(id))) add(value, null);
    add('', name);
    return list;
  },

  formvalue(id) {
    return [...this.fields[id].field.querySelectorAll('input')].map(({ value }) => value.trim()).filter(Boolean);
  },
});

const MultiValue = AbstractValue.extend({
  widget(id, name) {
    const values = L.toArray(this.cfgvalue(id));
    return E(
      'select',
      { id: name, multiple: '', disabled: this.isReadonly() },
      this.keylist.map((key, index) =>
        E('option', { value: key, selected: values.includes(key) ? '' : null }, this.vallist[index]),
      ),
    );
  },

  formvalue(id) {
    return [...this.fields[id].field.selectedOptions].map(({ value }) => value);
  },
});

const AbstractSection = Class.extend({
  begin(map, type, title, description) {
    Object.assign(this, { map, sectiontype: type, title, description, children: [] });
    return this;
  },

  tab() {
    // Not shown apart.
  },

  option(Type, ...args) {
    const option = new Type().begin(this, ...args);
    this.children.push(option);
    return option;
  },

  taboption(tab, ...args) {
    return this.option(...args);
  },

  async load() {
    for (const id of this.ids()) for (const child of this.children) await child.read(id);
  },

  parse() {
    for (const id of this.ids()) for (const child of this.children) child.parse(id);
  },

  /** Hides the fields that do not count. */
  showActive(id) {
    for (const child of this.children) {
      const { row } = child.fields[id] ?? {};
      if (row) row.hidden = !child.isActive(id);
    }
  },

  fieldset(id) {
    const node = E(
      'div',
      { class: 'cbi-section-node' },
      this.children.map((child) => child.row(id)),
    );
    this.showActive(id);
    return node;
  },
});

const NamedSection = AbstractSection.extend({
  begin(map, id, type, title, description) {
    this.id = id;
    return this.super('begin', [map, type, title, description]);
  },

  ids() {
    return uci.get('oneip', this.id) === null ? [] : [this.id];
  },

  render() {
    return E('div', { class: 'cbi-section', id: `cbi-oneip-${this.id}` }, [
      this.title ? E('h3', {}, this.title) : null,
      this.ids().map((id) => this.fieldset(id)),
    ]);
  },
});

const GridSection = AbstractSection.extend({
  ids() {
    return uci.sections('oneip', this.sectiontype).map((section) => section['.name']);
  },

  /** What a table shows of the options; the others appear in the dialogue only. */
  columns() {
    return this.children.filter(({ modalonly }) => !modalonly);
  },

  cell(child, id) {
    if (!child.editable) return child.textvalue(id);
    const name = `cbid.oneip.${id}.${child.option}`;
    const field = child.widget(id, `widget.${name}`);
    field.setAttribute('aria-label', `${child.title}: ${id}`);
    child.fields[id] = { field };
    return field;
  },

  render() {
    const columns = this.columns();
    const disabled = this.map.readonly ? '' : null;
    for (const child of this.children) child.fields = {};
    return E('div', { class: 'cbi-section', id: `cbi-oneip-${this.sectiontype}` }, [
      E('h3', {}, this.title),
      E('div', { class: 'cbi-section-descr' }, this.description),
      E('table', { class: 'table cbi-section-table' }, [
        E(
          'tr',
          {},
          ['Name', ...columns.map(({ title }) => title), ''].map((title) => E('th', {}, title)),
        ),
        ...this.ids().map((id) =>
          E('tr', { class: 'cbi-section-table-row', 'data-sid': id }, [
            E('th', {}, id),
            ...columns.map((child) => E('td', { 'data-name': child.option }, this.cell(child, id))),
            E('td', { class: 'cbi-section-actions' }, [
              E('button', { class: 'btn cbi-button-edit', click: () => this.edit(id) }, 'Edit'),
              E('button', { class: 'btn cbi-button-remove', disabled, click: () => this.handleRemove(id) }, 'Delete'),
            ]),
          ]),
        ),
      ]),
      this.renderSectionAdd(),
    ]);
  },

  renderSectionAdd() {
    const disabled = this.map.readonly ? '' : null;
    const input = E('input', { type: 'text', class: 'cbi-section-create-name', disabled });
    const add = (event) => {
      if (!input.classList.contains('cbi-input-invalid') && input.value) return this.handleAdd(event, input.value);
    };
    return E('div', { class: 'cbi-section-create' }, [
      input,
      E('button', { class: 'cbi-button cbi-button-add', disabled, click: add }, 'Add'),
    ]);
  },

  async handleAdd(event, name) {
    uci.add('oneip', this.sectiontype, name);
    for (const child of this.children) await child.read(name);
    this.isNew = name;
    this.edit(name);
  },

  handleRemove(id) {
    uci.remove('oneip', id);
    return this.map.save();
  },

  edit(id) {
    const done = async () => {
      ui.hideModal();
      this.isNew = undefined;
      await this.map.reset();
    };
    const dismiss = () => {
      if (this.isNew === id) uci.remove('oneip', id);
      return done();
    };
    const save = async () => {
      try {
        for (const child of this.children) child.parse(id);
      } catch (error) {
        if (error instanceof Invalid) return;
        throw error;
      }
      await uci.save();
      await this.map.load();
      await done();
    };
    ui.showModal(
      this.modaltitle(id),
      [
        this.fieldset(id),
        E('div', { class: 'button-row' }, [
          E('button', { class: 'btn cbi-button', click: dismiss }, 'Dismiss'),
          E(
            'button',
            { class: 'btn cbi-button cbi-button-positive', disabled: this.map.readonly ? '' : null, click: save },
            'Save',
          ),
        ]),
      ],
      'cbi-modal',
    );
  },
});

class Map extends Class {
  constructor(config, title, description) {
    super();
    Object.assign(this, { config, title, description, children: [] });
    this.root = E('div', { class: 'cbi-map', id: `cbi-${config}` });
    this.root.instance = this;
  }

  section(Type, ...args) {
    const section = new Type().begin(this, ...args);
    this.children.push(section);
    return section;
  }

  async load() {
    this.readonly = !(await callAccess('uci', this.config, 'write'));
    await uci.load(this.config);
    for (const section of this.children) await section.load();
  }

  async render() {
    await this.load();
    return this.reset();
  }

  reset() {
    dom.content(this.root, [
      E('h2', {}, this.title),
      E('div', { class: 'cbi-map-descr' }, this.description),
      this.children.map((section) => section.render()),
    ]);
    return this.root;
  }

  async save() {
    for (const section of this.children) section.parse();
    await uci.save();
    await this.load();
    this.reset();
  }
}

export const form = { Map, NamedSection, GridSection, Value, ListValue, Flag, DynamicList, MultiValue };
