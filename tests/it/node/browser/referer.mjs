// Follows the ways out of a report to another server, in each way that a browser knows: by a link, in another window, by a
// script, by a picture. What the other server was told is for whoever keeps it to see.

import assert from 'node:assert/strict';
import { base, plan, story, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser);
    const context = page.context();
    await page.goto(base + plan.path);
    if (!plan.hosts) await page.getByRole('button', { name: 'Show the report' }).click();
    await page.waitForURL('**/-/r/**');
    const report = page.url();
    await page.evaluate(
        (src) =>
            new Promise((resolve, reject) => {
                const image = Object.assign(new Image(), { onload: resolve, onerror: reject, src });
                document.body.append(image);
            }),
        `${plan.other}/image.svg`,
    );
    for (const [way, attributes] of Object.entries(plan.links)) {
        await page.goto(report);
        const href = `${plan.other}/${way}`;
        const opened = attributes.target ? context.waitForEvent('page') : null;
        await page.evaluate((it) => document.body.append(Object.assign(document.createElement('a'), it, { id: 'out', textContent: 'out' })), { href, ...attributes });
        await page.click('#out');
        const other = opened ? await opened : page;
        await other.waitForURL(href);
        assert.equal(await other.evaluate(() => document.referrer), '', way);
    }
    await page.goto(report);
    await page.evaluate((address) => { location = address; }, `${plan.other}/script`);
    await page.waitForURL(`${plan.other}/script`);
    assert.equal(await page.evaluate(() => document.referrer), '');
    // Nor do our own pages learn it.
    await page.goto(report);
    const asked = page.waitForRequest(`${base}${plan.job}`);
    await page.evaluate((address) => { location = address; }, `${base}${plan.job}`);
    assert.equal((await (await asked).allHeaders()).referer, undefined);
    await page.locator('h1').waitFor();
}, plan);
