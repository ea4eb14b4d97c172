// Dialogues, validation and the indicator of unapplied changes, as LuCI's `ui` has them.
import { dom, E } from './luci.js';
import { uci } from './uci.js';

const overlay = E(
  'div',
  { id: 'modal_overlay', tabindex: '-1', keydown: (event) => cancel(event) },
  E('div', { class: 'modal', role: 'dialog', 'aria-modal': 'true' }),
);
document.body.append(overlay);

/** Escape is the first button. */
function cancel(event) {
  if (event.key === 'Escape') overlay.querySelector('.right > button, .button-row > .btn')?.click();
}

export const ui = {
  showModal(title, children, ...classes) {
    const dialogue = overlay.firstElementChild;
    dialogue.setAttribute('class', ['modal', ...classes].join(' '));
    dom.content(dialogue, [E('h4', {}, title), children]);
    document.body.classList.add('modal-overlay-active');
    overlay.focus();
    return dialogue;
  },

  hideModal() {
    document.body.classList.remove('modal-overlay-active');
  },

  /** A button's handler: the button rests while it runs. */
  createHandlerFn(self, handler, ...args) {
    const run = typeof handler === 'string' ? self[handler] : handler;
    return (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      return Promise.resolve(run.call(self, ...args, event)).finally(() => (button.disabled = false));
    };
  },

  /** Marks a field while a check of its value complains, with the complaint as its tooltip. */
  addValidator(field, type, isOptional, check, ...events) {
    const validate = () => {
      const verdict = field.value === '' && isOptional ? true : check(field.value);
      field.classList.toggle('cbi-input-invalid', verdict !== true);
      field.setAttribute('aria-invalid', String(verdict !== true));
      field.title = verdict === true ? '' : verdict;
      return verdict === true;
    };
    for (const event of events.length > 0 ? events : ['blur', 'keyup']) field.addEventListener(event, validate);
    return validate;
  },

  changes: {
    async apply() {
      await uci.apply();
      ui.showModal('Configuration changes applied.', []);
    },
  },
};
