// Calls over HTTP, as LuCI's `rpc` makes them: JSON-RPC 2.0, method `call`.
let id = 0;

async function call(object, method, args) {
  const response = await fetch('/ubus/', {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method: 'call', params: ['0'.repeat(32), object, method, args] }),
  });
  return response.json();
}

export const rpc = {
  declare({ object, method, params = [], expect, reject }) {
    return async (...given) => {
      const args = Object.fromEntries(params.map((name, index) => [name, given[index]]));
      const { error, result } = await call(object, method, args);
      const what = `RPC call to ${object}/${method} failed with`;
      if (error) throw new Error(`${what} error ${error.code}: ${error.message}`);
      const [status, data] = result;
      if (reject && status !== 0) throw new Error(`${what} ubus code ${status}: ?`);
      if (!expect) return data ?? status;
      const [[key, fallback]] = Object.entries(expect);
      const part = key === '' ? data : data?.[key];
      return part !== undefined && Array.isArray(part) === Array.isArray(fallback) ? part : fallback;
    };
  },
};
