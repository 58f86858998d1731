// Opens a hostile report beside what it is after: `report` is its address among the pages, and `other` that of a file of
// another report.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { base, plan, story } from './browser.mjs';

// Whatever reaches this one has got out.
const reached = [];
const outside = createServer((request, response) => {
    reached.push(`${request.method} ${request.url} ${request.headers.referer ?? ''}`);
    response.setHeader('Access-Control-Allow-Origin', '*').end('x');
}).listen(0, '127.0.0.1');
await new Promise((resolve) => outside.once('listening', resolve));
const address = `http://127.0.0.1:${outside.address().port}`;

await story(async (browser) => {
    const context = await browser.newContext();
    await context.addCookies([
        { name: 'session', value: 's3cret', url: base, httpOnly: true, sameSite: 'Lax' },
        { name: 'open', value: 's3cret', url: base, sameSite: 'None', secure: true },
        { name: 'plain', value: 's3cret', url: base, sameSite: 'Lax' },
    ]);
    const page = await context.newPage();
    await page.goto(`${base}/`);
    await page.evaluate(() => {
        localStorage.setItem('secret', 's3cret');
        sessionStorage.setItem('secret', 's3cret');
        indexedDB.open('secret');
    });
    await page.goto(base + plan.report);
    await page.click('button');
    await page.waitForURL('**/-/r/**');
    const folder = page.url().slice(0, page.url().lastIndexOf('/') + 1);

    const sent = [];
    context.on('request', (request) => request.url().startsWith(base) && sent.push(request));
    const popups = [];
    context.on('page', (popup) => popups.push(popup));
    await page.goto(`${folder}index.html?outside=${encodeURIComponent(address)}&other=${encodeURIComponent(plan.other)}`);
    await page.waitForFunction(() => window.results, null, { timeout: 120_000 });
    const { results, blocked } = await page.evaluate(() => ({ results, blocked }));
    for (const [name, result] of Object.entries(results)) console.log(`${name}: ${result}`);
    const nothing = ['storage of the pages', 'session storage of the pages'];
    for (const [name, result] of Object.entries(results)) {
        if (nothing.includes(name)) assert.match(result, /^got (null|undefined)$/, name);
        else assert.match(result, /^failed /, name);
    }
    assert(blocked.some((line) => line.startsWith('form-action')), blocked.join('\n'));
    assert(blocked.some((line) => line.startsWith('frame-src')), blocked.join('\n'));
    assert.deepEqual(reached, [], 'nothing got out');
    assert(page.url().startsWith(folder), page.url());

    // What it loads comes without cookies; the document itself is asked for by the person.
    for (const request of sent) {
        const { cookie } = await request.allHeaders();
        if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) assert.equal(cookie, undefined, request.url());
    }

    // Windows that it opens are no nearer to the pages.
    const tried = await page.evaluate(async (base) => {
        const results = {};
        const pages = open(`${base}/group/project`);
        await new Promise((resolve) => setTimeout(resolve, 1500));
        try { results.document = pages.document.title; } catch (error) { results.document = error.name; }
        try { results.storage = pages.localStorage.secret; } catch (error) { results.storage = error.name; }
        const source = `<script>
            const say = (text) => { document.title = text; };
            let own; try { own = String(localStorage.getItem('secret')); } catch (error) { own = error.name; }
            fetch('${base}/api/v4/projects/1').then(() => say('reached ' + own + ' ' + self.origin), () => say('blocked ' + own + ' ' + self.origin));
        </` + 'script>';
        const blob = open(URL.createObjectURL(new Blob([source], { type: 'text/html' })));
        const blank = open('about:blank');
        try { blank.document.write(source); blank.document.close(); results.blank = 'written'; } catch (error) { results.blank = error.name; }
        results.opened = [Boolean(pages), Boolean(blob), Boolean(blank)];
        await new Promise((resolve) => setTimeout(resolve, 2000));
        return results;
    }, base);
    assert.equal(tried.document, 'SecurityError');
    assert.equal(tried.storage, 'SecurityError');
    for (const popup of popups) {
        const title = await popup.title().catch(() => '');
        console.log(`window ${new URL(popup.url()).protocol} ${title.slice(0, 60)}`);
        assert(!title.startsWith('reached'), title);
        if (title.startsWith('blocked')) assert.match(title, /^blocked (null|SecurityError) null$/);
    }
    assert.deepEqual(reached, [], 'nothing got out');

    // A drawing with a script in it, shown alone.
    await page.goto(`${folder}drawing.svg`);
    const ran = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    assert.deepEqual(ran, { ran: 'null', cookie: 'SecurityError' });

    // The pages are as they were.
    await page.goto(`${base}/`);
    assert.equal(await page.evaluate(() => localStorage.getItem('secret')), 's3cret');
    const names = (await context.cookies(base)).map(({ name }) => name).sort();
    assert.deepEqual(names.filter((name) => !name.startsWith('artigate_report_')), ['open', 'plain', 'session'].filter((name) => names.includes(name)));
    assert(!names.includes('a'));
});
outside.close();
