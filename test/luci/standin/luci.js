// A small stand-in for LuCI in the browser: classes, elements, texts, and the loader of modules. Only what the pages of oneip
// use is here, with LuCI's names, its classes of CSS and its behaviour, so that the same steps can be walked through in both.

/** LuCI's classes: `extend` makes a class of members, `super` calls what the class above has under a name. */
export class Class {
  static extend(members) {
    const above = this.prototype;
    const Extended = class extends this {};
    for (const [name, member] of Object.entries(members)) {
      Extended.prototype[name] = typeof member === 'function' ? atLevel(member, above) : member;
    }
    return Extended;
  }

  super(name, args) {
    return this.level[name].apply(this, args);
  }
}

/** A method that finds, while it begins, what `super` means in it. */
function atLevel(method, above) {
  return function (...args) {
    // Taken off its object, a function knows no classes.
    if (this === undefined) return method(...args);
    const before = this.level;
    this.level = above;
    try {
      return method.apply(this, args);
    } finally {
      this.level = before;
    }
  };
}

export const dom = {
  /** Appends a node, or a list of nodes and texts; nothing for null. A text that is in no list is markup, as it is in LuCI. */
  append(node, content) {
    if (content === null || content === undefined) return node;
    if (!Array.isArray(content) && !(content instanceof Node)) node.innerHTML = String(content);
    else for (const child of [content].flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
    return node;
  },

  content(node, content) {
    node.replaceChildren();
    return dom.append(node, content);
  },
};

/** Makes an element, or a fragment of a list. Functions among the attributes listen to the event of that name. */
export function E(name, ...rest) {
  if (Array.isArray(name)) {
    const [attributes, content] = rest;
    return dom.append(document.createDocumentFragment(), content ?? (attributes instanceof Array ? attributes : name));
  }
  const hasAttributes =
    rest[0] !== null && typeof rest[0] === 'object' && !(rest[0] instanceof Node) && !Array.isArray(rest[0]);
  const [attributes, content] = hasAttributes ? rest : [{}, rest[0]];
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (typeof value === 'function') node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  return dom.append(node, content);
}

String.prototype.format = function (...values) {
  let next = 0;
  return this.replace(/%(%|s|d)/g, (_, kind) => {
    if (kind === '%') return '%';
    const value = values[next++];
    return kind === 'd' ? String(Math.trunc(Number(value))) : String(value);
  });
};

export const L = {
  /** What the server says of this page: `readonly`. */
  environment: {},
  hasViewPermission: () => !L.environment.readonly,
  url: (...parts) => `/${parts.join('/')}`,
  bind: (callback, self, ...args) => callback.bind(self, ...args),
  toArray: (value) =>
    Array.isArray(value)
      ? value
      : value === null || value === undefined
        ? []
        : String(value).trim().split(/\s+/).filter(Boolean),
  resolveDefault: (promise, fallback) => Promise.resolve(promise).catch(() => fallback),
};

const view = Class.extend({
  load() {
    return undefined;
  },

  handleSave() {
    const maps = [...document.querySelectorAll('#view .cbi-map')];
    return Promise.all(maps.map((node) => node.instance.save()));
  },

  handleSaveApply(event, mode) {
    return this.handleSave(event).then(() => builtin.get('ui').changes.apply(mode === '0'));
  },

  handleReset() {
    const maps = [...document.querySelectorAll('#view .cbi-map')];
    return Promise.all(maps.map((node) => node.instance.reset()));
  },
});

export const builtin = new Map([
  ['baseclass', Class],
  ['dom', dom],
  ['view', view],
]);
const loaded = new Map();

/** Loads a module of the application, and what it requires, once. A class is instantiated. */
export function load(name) {
  const known = builtin.get(name);
  if (known) return Promise.resolve(known);
  if (!loaded.has(name)) loaded.set(name, evaluate(name));
  return loaded.get(name);
}

async function evaluate(name) {
  const path = `/resources/${name.replaceAll('.', '/')}.js`;
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  const source = await response.text();
  const wanted = [...source.matchAll(/^'require ([^' ]+)(?: as ([^']+))?';$/gm)];
  const names = wanted.map(([, module, as]) => as ?? module.replace(/[^a-z]/g, '_'));
  const modules = await Promise.all(wanted.map(([, module]) => load(module)));
  const run = new Function(...names, 'E', 'L', '_', `${source}\n//# sourceURL=${path}`);
  const Made = run(...modules, E, L, (text) => text);
  return new Made();
}

/** Shows a view in the page, as LuCI does: load, render, and the buttons at its end. */
export async function showView(name) {
  const page = await load(`view.${name}`);
  const place = document.getElementById('view');
  dom.content(place, await page.render(await page.load()));
  const buttons = [
    ['handleSaveApply', 'Save & Apply'],
    ['handleSave', 'Save'],
    ['handleReset', 'Reset'],
  ]
    .filter(([handler]) => page[handler] !== null)
    .map(([handler, text]) =>
      E(
        'button',
        {
          class: 'btn cbi-button',
          click: (event) => page[handler](event, '0'),
          disabled: L.hasViewPermission() ? null : '',
        },
        text,
      ),
    );
  if (buttons.length > 0) place.append(E('div', { class: 'cbi-page-actions' }, buttons));
}

/** Shows a part of LuCI's overview, and brings it up to date as often as that does. */
export async function showInclude(name) {
  const part = await load(`view.status.include.${name}`);
  const place = E('div');
  const draw = async () => dom.content(place, part.render(await part.load()));
  await draw();
  dom.content(document.getElementById('view'), [E('h3', part.title), place]);
  builtin.get('poll').add(draw);
}
