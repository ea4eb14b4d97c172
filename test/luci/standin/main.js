// Begins a page: `data-page` names it, the rest of the environment comes from the server.
import { builtin, L, showInclude, showView } from './luci.js';
import { form } from './form.js';
import { poll } from './poll.js';
import { rpc } from './rpc.js';
import { uci } from './uci.js';
import { ui } from './ui.js';

for (const [name, module] of Object.entries({ form, poll, rpc, uci, ui })) builtin.set(name, module);

const { page, readonly } = document.body.dataset;
L.environment = { readonly: readonly === 'true' };
if (page === 'overview') await showInclude('35_oneip');
else await showView(`oneip.${page}`);
