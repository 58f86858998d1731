// Looks at what people can use on every page: each link and each button can be reached with Tab, in the order of the page, is
// seen to have the focus, and leads somewhere, without scripts.

import assert from 'node:assert/strict';
import { base, isQuiet, open, plan, story, visit } from './browser.mjs';

/** So many stops of a page are looked at; long ones repeat themselves. */
const STOPS = 40;

/** Says what is wrong with the links, fields and buttons of a page; returns the addresses of the links, too. */
const controls = () => {
    const wrong = [];
    const own = [...document.links].map((link) => new URL(link.href)).filter((url) => url.origin === location.origin);
    for (const link of document.querySelectorAll('a')) {
        if (!link.getAttribute('href')) wrong.push(`a link without an address: ${link.outerHTML}`);
    }
    const isHere = ({ pathname, search }) => pathname === location.pathname && search === location.search;
    for (const { hash } of own.filter(isHere)) {
        if (hash && !document.getElementById(decodeURIComponent(hash.slice(1)))) wrong.push(`nothing is at ${hash}`);
    }
    for (const field of document.querySelectorAll('button, input:not([hidden]), select, textarea')) {
        if (!field.form?.querySelector('button[type=submit]')) wrong.push(`no form takes ${field.outerHTML}`);
        if (field.matches('button:not([type=submit])')) wrong.push(`it needs a script: ${field.outerHTML}`);
    }
    for (const form of document.forms) {
        if (new URL(form.action).origin !== location.origin) wrong.push(`a form leaves the server: ${form.action}`);
    }
    if (document.querySelector('script, [onclick], [contenteditable], dialog, [popover]')) wrong.push('there are scripts');
    const away = own.filter((url) => !isHere(url)).slice(0, 60);
    return { wrong, links: away.map(({ pathname, search }) => pathname + search) };
};

/** Notes each element that gets the focus, and how it looks then. */
const watch = () => {
    const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, [tabindex], audio[controls], video[controls]';
    const isStop = (it) => it.tabIndex >= 0 && it.getClientRects().length > 0;
    window.wanted = [...document.querySelectorAll(wanted)].filter(isStop);
    window.stops = [];
    document.addEventListener('focusin', ({ target }) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(target);
        const { left, width } = target.getBoundingClientRect();
        const isSeen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 && width > 0 && left >= 0;
        window.stops.push({ target, isSeen });
    });
};

/** Says what is wrong with the stops that were made. */
const judgeStops = (count) => {
    const wrong = [];
    const brief = (it) => it.outerHTML.slice(0, 120);
    window.stops.forEach(({ target, isSeen }, at) => {
        const before = window.stops[at - 1]?.target;
        if (!isSeen) wrong.push(`the focus cannot be seen on ${brief(target)}`);
        const isBehind = !before || before === target || before.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING;
        // Behind the last stop the first one comes again.
        if (!isBehind && target !== window.stops[0].target) wrong.push(`the focus jumps from ${brief(before)} to ${brief(target)}`);
    });
    const made = new Set(window.stops.map(({ target }) => target));
    for (const it of window.wanted.slice(0, count)) if (!made.has(it)) wrong.push(`Tab never stops at ${brief(it)}`);
    return wrong;
};

await story(async (browser) => {
    const faults = [];
    const links = new Set();
    const todo = [...plan.pages];
    const worker = async () => {
        const page = await visit(browser, { token: plan.token });
        for (let next = todo.shift(); next; next = todo.shift()) {
            const [path, status] = next;
            await open(page, path, status);
            const found = await page.evaluate(controls);
            found.links.forEach((link) => links.add(link));
            await page.evaluate(watch);
            const count = Math.min(STOPS, await page.evaluate(() => window.wanted.length));
            // What scrolls is a stop, too, and a player has several.
            for (let stops = 0; stops < count + 5; stops++) await page.keyboard.press('Tab');
            const wrong = [...found.wrong, ...(await page.evaluate(judgeStops, count))];
            faults.push(...wrong.map((what) => `${path}: ${what}`));
        }
        isQuiet(page);
    };
    await Promise.all([worker(), worker()]);
    assert.deepEqual(faults, []);

    const { request } = await browser.newContext({ extraHTTPHeaders: { 'PRIVATE-TOKEN': plan.token, Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate' } });
    for (const link of links) {
        const status = (await request.get(base + link, { maxRedirects: 0 })).status();
        if (status >= 400 && !plan.unreadable.includes(link)) faults.push(`${link} leads to ${status}`);
    }
    assert(links.size > 100, `${links.size} links`);
    assert.deepEqual(faults, []);
});
