// Opens pages in Chromium for the stories beside it, and fails a story if a page says anything on the console, is
// refused anything by its own policy, or opens a dialog.
//
// A story is run as `node STORY.mjs URL [JSON]`: the address of a server, and what the story needs to know of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const modules = process.env.ARTIGATE_TEST_BROWSER_MODULES;
assert(modules, 'ARTIGATE_TEST_BROWSER_MODULES names no folder with playwright-core');
const beside = createRequire(`${modules}/`);
const { chromium } = beside('playwright-core');

export const base = process.argv[2];
export const plan = JSON.parse(process.argv[3] ?? 'null');

/** Runs a story with a browser, for which names of hosts lead to the server at an address, whatever port they are asked at. */
export async function story(tell, { hosts = [], address = '' } = {}) {
    const rules = hosts.map((host) => `MAP ${host} ${address}`).join(', ');
    const browser = await chromium.launch({
        executablePath: process.env.ARTIGATE_TEST_CHROMIUM ?? '/usr/bin/chromium',
        args: rules ? [`--host-resolver-rules=${rules}`] : [],
    });
    try {
        await tell(browser);
    } finally {
        await browser.close();
    }
}

/** Opens a window, as somebody with a token or as nobody, and returns its page; `said` has what it complained of. */
export async function visit(browser, { script = true, token, dark = false, width = 1280 } = {}) {
    const context = await browser.newContext({
        javaScriptEnabled: script,
        colorScheme: dark ? 'dark' : 'light',
        viewport: { width, height: 800 },
        extraHTTPHeaders: token ? { 'PRIVATE-TOKEN': token } : {},
    });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    page.said = [];
    page.on('console', (message) => {
        // Chromium logs the status of a page that is an error's.
        const isStatus = /^Failed to load resource: the server responded with a status of [45]/.test(message.text());
        if (!isStatus || message.location().url !== page.url()) page.said.push(message.text());
    });
    page.on('pageerror', (error) => page.said.push(String(error)));
    page.on('dialog', async (dialog) => {
        page.said.push(`dialog: ${dialog.message()}`);
        await dialog.dismiss();
    });
    return page;
}

/** Opens an address and expects a page. */
export async function open(page, path, status = 200) {
    const answer = await page.goto(base + path);
    assert.equal(answer.status(), status, path);
    await page.locator('h1').waitFor();
}

/** Clicks a link or a button by its name, and waits for the page that comes. */
export async function click(page, name, role = 'link') {
    await leave(page, () => page.locator('main').getByRole(role, { name, exact: true }).first().click({ timeout: 5_000 }));
}

/** Does what leads to another page, and waits for that. */
export async function leave(page, act) {
    const came = page.waitForNavigation();
    // Whoever cannot act has a better reason than that nothing came.
    came.catch(() => {});
    await act();
    await came;
    await page.locator('h1').waitFor();
}

/** The one heading of a page. */
export async function heading(page) {
    return (await page.locator('h1').textContent()).trim();
}

/** Expects that a page has said nothing. */
export function isQuiet(page) {
    assert.deepEqual(page.said, [], page.url());
}

let source;

/** Looks for what keeps people from using a page, by all rules or by some; returns violations and what is undecided. */
export async function judge(page, rules) {
    source ??= readFileSync(beside.resolve('axe-core/axe.min.js'), 'utf8');
    if (!(await page.evaluate('typeof axe')).startsWith('object')) await page.evaluate(source);
    return page.evaluate(async (rules) => {
        const runOnly = rules ? { runOnly: rules } : {};
        const found = await axe.run(document, { preload: false, resultTypes: ['violations', 'incomplete'], ...runOnly });
        const brief = ({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.any.map((it) => it.message)}`).join(' | ')}`;
        // What is scrolled out of sight in a region of its own has no colour behind it.
        const isScrolledOut = ({ target }) => document.querySelector(target[0])?.closest('[role=region]');
        const undecided = found.incomplete.map((it) => (it.id === 'color-contrast' ? { ...it, nodes: it.nodes.filter((node) => !isScrolledOut(node)) } : it));
        return { violations: found.violations.map(brief), incomplete: undecided.filter((it) => it.nodes.length > 0).map(brief) };
    }, rules);
}

/** How far a page can be moved sideways, in pixels. */
export function sideways(page) {
    return page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
}

// What has the focus: its text, whether it can be seen that it has it, and whether it stands behind what had it before.
const focused = () => {
    const now = document.activeElement;
    const before = window.before;
    window.before = now;
    const style = getComputedStyle(now);
    const box = now.getBoundingClientRect();
    return {
        text: (now.textContent || now.getAttribute('aria-label') || now.value || now.name).trim(),
        tag: now.tagName,
        role: now.getAttribute('role'),
        isSeen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.left >= 0,
        isBehind: !before || before === now || Boolean(before.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING),
    };
};

/** Presses Tab; what then has the focus can be seen, and stands behind what had it before. */
export async function tab(page) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate(focused);
    assert(found.tag !== 'BODY', `there is no other stop on ${page.url()}`);
    assert(found.isSeen, `the focus on ${JSON.stringify(found)} cannot be seen on ${page.url()}`);
    assert(found.isBehind, `the focus jumps to ${found.text} on ${page.url()}`);
    return found;
}

/** Presses Tab until something with this text has the focus. */
export async function tabTo(page, text) {
    for (let stops = 0; stops < 100; stops++) {
        if ((await tab(page)).text === text) return;
    }
    assert.fail(`${text} is not to be reached on ${page.url()}`);
}

/** Presses Tab until something with this text has the focus, and then a key, which leads to another page. */
export async function follow(page, text, key = 'Enter') {
    await tabTo(page, text);
    await leave(page, () => page.keyboard.press(key));
}
