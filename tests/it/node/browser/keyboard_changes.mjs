// Signs in, keeps, deletes and signs out with Tab, Enter and Space alone.

import assert from 'node:assert/strict';
import { base, follow, heading, isQuiet, leave, open, plan, story, tab, tabTo, visit } from './browser.mjs';

const isOnStatus = (page) => page.locator('#status:focus').count();

await story(async (browser) => {
    const page = await visit(browser);
    await open(page, plan.job);
    await follow(page, 'Sign in');
    assert.equal(await heading(page), 'Sign in');
    while ((await tab(page)).tag !== 'INPUT');
    await page.keyboard.type(plan.token);
    await leave(page, () => page.keyboard.press('Enter'));
    assert.equal(page.url(), base + plan.job, 'one lands where one was going');
    await follow(page, 'Keep for ever', 'Space');
    assert.equal(await isOnStatus(page), 1, 'the focus is on what was done');
    assert.equal(await page.getByRole('button', { name: 'Keep for ever' }).count(), 0);
    assert.match(await page.locator('tbody').textContent(), /never expires/);
    // From there it goes on.
    await follow(page, 'Delete…');
    await tabTo(page, 'Delete for good');
    await follow(page, 'Cancel');
    assert.equal(await heading(page), 'Job build');
    await follow(page, 'Delete…');
    await follow(page, 'Delete for good', 'Space');
    assert.equal(await isOnStatus(page), 1, 'the focus is on what was done');
    assert.match(await page.locator('main').textContent(), /left no artifacts/);
    await open(page, plan.job);
    await follow(page, 'Sign out', 'Space');
    assert.deepEqual(await page.context().cookies(), []);
    page.said = page.said.filter((text) => !text.startsWith('Clear-Site-Data header on'));
    isQuiet(page);
});
