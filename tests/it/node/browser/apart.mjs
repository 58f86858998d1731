// Opens two reports that have hosts of their own: neither sees what the other stores, and neither reaches the pages.

import assert from 'node:assert/strict';
import { base, plan, story, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser);
    const context = page.context();
    await context.addCookies([
        { name: 'session', value: 's3cret', url: base, httpOnly: true, sameSite: 'Lax' },
        { name: 'plain', value: 's3cret', url: base, sameSite: 'Lax' },
    ]);
    const sent = [];
    context.on('request', (request) => sent.push(request));
    const origins = [];
    for (const path of plan.paths) {
        await page.goto(base + path);
        await page.waitForURL('**/-/r/**');
        origins.push(await page.evaluate(() => self.origin));
        const seen = await page.evaluate(() => ({ cookie: document.cookie, stored: localStorage.getItem('own'), size: localStorage.length }));
        assert.deepEqual(seen, { cookie: '', stored: null, size: 0 });
        await page.evaluate((own) => {
            localStorage.setItem('own', own);
            document.cookie = 'own=1; path=/';
        }, path);
        await page.reload();
        assert.equal(await page.evaluate(() => localStorage.getItem('own')), path, 'it stores as any page does');
        const reached = await page.evaluate(async ([pages, other]) => {
            const tried = async (url, init) => fetch(url, init).then(() => `reached ${url}`, () => 'blocked');
            return [
                await tried(`${pages}/`, { credentials: 'include' }),
                await tried(`${pages}/api/v4/projects/1`),
                await tried(`${pages}/`, { mode: 'no-cors', credentials: 'include' }),
                await tried('/api/v4/projects/1'),
                await tried(other, { mode: 'no-cors' }),
            ];
        }, [base, `${origins[0]}/`]);
        assert.deepEqual(new Set(reached), new Set(['blocked']));
    }
    assert.notEqual(origins[0], origins[1]);
    for (const request of sent) {
        const { host } = new URL(request.url());
        if (!host.endsWith('.reports.localhost')) continue;
        const { cookie = '', referer = '' } = await request.allHeaders();
        assert(!cookie.includes('s3cret'), `${request.url()}: ${cookie}`);
        assert(!referer.includes('/-/r/') || referer.startsWith(origins.find((origin) => request.url().startsWith(origin))), referer);
    }
    const names = (await context.cookies(base)).map(({ name }) => name).sort();
    assert.deepEqual(names, ['plain', 'session']);
}, plan);
