// Opens the trace viewer that comes with a report of Playwright. It needs a service worker, which only a report with a host of
// its own can have; any other says why the page stays empty.

import assert from 'node:assert/strict';
import { base, plan, story, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser);
    await page.goto(base + plan.path);
    if (!plan.hosts) await page.getByRole('button', { name: 'Show the report' }).click();
    await page.getByText('square has an area').first().click();
    const link = page.locator('a[href*="trace/index.html"]').first();
    await link.click();
    await page.waitForURL('**/trace/index.html?**');
    if (plan.hosts) {
        await page.getByText('Expect "toBe"').first().waitFor();
        const scopes = await page.evaluate(async () => {
            const all = await navigator.serviceWorker.getRegistrations();
            return all.map(({ scope }) => new URL(scope).pathname);
        });
        assert.equal(scopes.length, 1);
        assert.match(scopes[0], /^\/-\/r\/[^/]+\/trace\/$/, 'it reaches no further than the report');
    } else {
        const note = page.getByRole('alert');
        await note.waitFor();
        assert.match(await note.textContent(), /^This page needs a service worker\./);
    }
}, plan);
