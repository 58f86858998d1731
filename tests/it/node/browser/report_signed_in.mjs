// Opens a report of a private project as nobody: one signs in, and the way leads on to the report, on its own host too.
// It ends with the session.

import assert from 'node:assert/strict';
import { click, heading, leave, open, plan, story, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser);
    await open(page, plan.path);
    assert.equal(await heading(page), 'Sign in', 'who is not signed in is asked to');
    await page.getByLabel('Personal token').fill(plan.token);
    const button = page.getByRole('button', { name: 'Sign in' });
    if (plan.hosts) {
        // Chromium looks at every redirect behind a form.
        await button.click();
    } else {
        await click(page, 'Sign in', 'button');
        await page.getByRole('button', { name: 'Show the report' }).click();
    }
    await page.waitForURL('**/-/r/**');
    assert.equal(await page.locator('p').textContent(), 'report');
    assert.equal(new URL(page.url()).host.endsWith('reports.localhost'), Boolean(plan.hosts));
    const address = page.url();
    await open(page, plan.job);
    await leave(page, () => page.getByRole('button', { name: 'Sign out' }).click());
    await page.goto(address);
    await page.waitForURL('**/-/sign_in?to=**');
    assert.equal(await heading(page), 'Sign in', 'the report has ended with the session');
}, plan);
