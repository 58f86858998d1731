// Goes from the list of projects to a file with Tab, Enter and Space alone.

import assert from 'node:assert/strict';
import { follow, heading, isQuiet, open, story, tab, tabTo, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser);
    await open(page, '/');
    // The first stop leads past the navigation.
    await tabTo(page, 'Skip to content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    assert.equal((await tab(page)).tag, 'INPUT', 'the search comes next');
    // A search, sent with Space on its button.
    await page.keyboard.type('site');
    await follow(page, 'Search', 'Space');
    assert.equal(new URL(page.url()).search, '?search=site');
    for (const name of ['demo/site', 'Pipelines', '101', 'build', 'Browse site.zip', 'css/', 'site.css']) {
        await follow(page, name);
    }
    assert.equal(await heading(page), 'site.css');
    // The text can be scrolled with the keys, so it is a stop.
    for (let stops = 0; stops < 30; stops++) {
        if ((await tab(page)).role !== 'region') continue;
        isQuiet(page);
        return;
    }
    assert.fail('the text of the file is no stop');
});
