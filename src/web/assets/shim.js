// Stands in reports before all other scripts. A report in a sandbox has no origin and so no storage: whoever touches it
// gets an exception, and many reports stop there. What they store here lasts until the page is left.
(() => {
  'use strict';
  const area = () => {
    const items = new Map();
    const methods = {
      getItem: (key) => items.get(String(key)) ?? null,
      setItem: (key, value) => void items.set(String(key), String(value)),
      removeItem: (key) => void items.delete(String(key)),
      clear: () => items.clear(),
      key: (number) => [...items.keys()][number] ?? null,
    };
    return new Proxy(Object.create(Storage.prototype), {
      get: (target, key) => {
        if (typeof key === 'symbol') return Reflect.get(target, key);
        return key === 'length' ? items.size : methods[key] ?? items.get(key);
      },
      set: (_, key, value) => (methods.setItem(key, value), true),
      has: (_, key) => key in methods || items.has(key),
      deleteProperty: (_, key) => (items.delete(key), true),
      ownKeys: () => [...items.keys()],
      getOwnPropertyDescriptor: (_, key) =>
        items.has(key) ? { value: items.get(key), writable: true, enumerable: true, configurable: true } : undefined,
    });
  };
  for (const name of ['localStorage', 'sessionStorage']) {
    try {
      void window[name];
    } catch {
      Object.defineProperty(window, name, { value: area(), configurable: true });
    }
  }
  // What needs a worker in the background stays empty otherwise, and nobody knows why.
  const explain = (event) => {
    if (!/service ?worker/i.test(String(event.reason ?? event.message)) || document.getElementById('artigate-note')) return;
    const note = document.createElement('p');
    Object.assign(note, { id: 'artigate-note', role: 'alert' });
    note.textContent = 'This page needs a service worker. Reports have one only on a host of their own, which this server does not have.';
    document.body.prepend(note);
  };
  addEventListener('error', explain);
  addEventListener('unhandledrejection', explain);
  // Some reports look at whatever window has the focus; that it is another one is no fault of theirs.
  addEventListener('error', (event) => {
    if (event.error instanceof DOMException && event.error.name === 'SecurityError' && /cross-origin/.test(event.message)) {
      event.stopImmediatePropagation();
      event.preventDefault();
    }
  }, true);
})();
