// Signs in and out, with and without scripts, and lets other sites try to use the session.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { base, click, heading, isQuiet, judge, leave, open, plan, sideways, story, visit } from './browser.mjs';

const server = createServer((request, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    const address = base + decodeURIComponent(request.url.split('?')[1] ?? '');
    if (request.url.startsWith('/link')) answer.end(`<a href="${address}">go</a>`);
    else answer.end(`<form method="post" action="${address}"><button>go</button></form>`);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const field = (page) => page.getByLabel('Personal token');

/** Sends the form of the sign-in page with a token. */
async function send(page, token) {
    await field(page).fill(token);
    await click(page, 'Sign in', 'button');
}

/** Who is signed in, by the top of the page; nobody by default. */
const name = (page) => page.locator('.person a').first().textContent();

async function withoutScripts(browser) {
    const page = await visit(browser, { script: false });
    await open(page, plan.job);
    assert.equal(await heading(page), 'Sign in', 'who is not signed in is asked to');
    await send(page, 'glpat-wrong');
    assert.match(await page.getByRole('alert').textContent(), /not valid here/);
    assert.equal(await field(page).inputValue(), '', 'the field is empty');
    await send(page, plan.token);
    assert.equal(page.url(), base + plan.job, 'one lands where one was going');
    assert.match(await name(page), /^maintainer/);
    await click(page, 'Keep for ever', 'button');
    assert.match(await page.locator('tbody').textContent(), /never expires/);
    const [cookie] = await page.context().cookies();
    const { httpOnly, sameSite, path, value } = cookie;
    assert.deepEqual({ httpOnly, sameSite, path }, { httpOnly: true, sameSite: 'Lax', path: '/' });
    assert.notEqual(value, plan.token);
    await leave(page, () => page.getByRole('button', { name: 'Sign out' }).click());
    assert.deepEqual(await page.context().cookies(), []);
    await page.goBack();
    await page.locator('h1').waitFor();
    assert.equal(await heading(page), 'Sign in', 'the way back shows nothing of what was seen');
    // Chromium tells what a sign-out clears.
    page.said = page.said.filter((text) => !text.startsWith('Clear-Site-Data header on'));
    isQuiet(page);
}

async function landing(browser) {
    for (const to of ['//evil.example', '/\\evil.example', 'https://evil.example/', 'javascript:alert(1)']) {
        const page = await visit(browser);
        await open(page, `/-/sign_in?to=${encodeURIComponent(to)}`);
        await send(page, plan.token);
        assert.equal(page.url(), `${base}/`, to);
        assert.equal(await page.evaluate('document.cookie'), '');
        isQuiet(page);
        await page.context().close();
    }
}

async function otherSites(browser) {
    const page = await visit(browser);
    await open(page, '/-/sign_in');
    await send(page, plan.token);
    // Another port of the same machine is the same site, and gets the cookie along.
    for (const host of ['127.0.0.1', 'localhost']) {
        for (const path of plan.forms) {
            await page.goto(`http://${host}:${port}/form?${encodeURIComponent(path)}`);
            const answer = page.waitForResponse((response) => response.request().method() === 'POST');
            await page.getByRole('button').click();
            assert.equal((await answer).status(), 403, `${path} from ${host}`);
            await page.getByText('Nothing was changed').waitFor();
        }
        await page.goto(`http://${host}:${port}/link?${encodeURIComponent(plan.job)}`);
        await leave(page, () => page.getByRole('link').click());
        assert.match(await heading(page), /^Job/, 'links from elsewhere arrive signed in');
    }
    await open(page, plan.job);
    // No script of a page may ask for anything, so this is a request with the browser's cookies.
    const asked = await page.context().request.get(`${base}/api/v4/user`);
    assert.equal(asked.status(), 401, 'no API takes the session');
    assert.match(await name(page), /^maintainer/);
    page.said = [];
}

async function looks(browser) {
    const page = await visit(browser);
    await open(page, '/-/sign_in');
    await send(page, plan.token);
    const faults = [];
    for (const path of ['/-/sign_in', '/-/sessions']) {
        await open(page, path);
        const colours = ['color-contrast'];
        for (const [colorScheme, width, rules] of [['light', 1280], ['dark', 320], ['dark', 1280, colours], ['light', 320, colours]]) {
            await page.emulateMedia({ colorScheme });
            await page.setViewportSize({ width, height: 700 });
            const { violations, incomplete } = await judge(page, rules);
            // What is scrolled out of a narrow window has no colour behind it that can be told.
            faults.push(...[...violations, ...(width > 320 ? incomplete : [])].map((fault) => `${path} ${colorScheme}: ${fault}`));
            if ((await sideways(page)) > 0) faults.push(`${path} can be moved sideways at ${width} px`);
        }
    }
    assert.deepEqual(faults, []);
    assert.match(await page.locator('tbody').textContent(), /this browser/);
    await click(page, 'End all sessions', 'button');
    assert.deepEqual(await page.context().cookies(), []);
    isQuiet(page);
}

await story(async (browser) => {
    await otherSites(browser);
    await looks(browser);
    await landing(browser);
    await withoutScripts(browser);
});
server.close();
