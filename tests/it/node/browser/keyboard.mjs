// Goes from the list of projects to a file with Tab, Enter and Space alone.

import assert from 'node:assert/strict';
import { heading, isQuiet, leave, open, story, visit } from './browser.mjs';

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
        isSeen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.left >= 0,
        isBehind: !before || before === now || Boolean(before.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING),
    };
};

/** Presses Tab until something with this text has the focus; every stop can be seen, in the order of the page. */
async function tabTo(page, text) {
    for (let stops = 0; stops < 100; stops++) {
        await page.keyboard.press('Tab');
        const found = await page.evaluate(focused);
        assert(found.tag !== 'BODY', `${text} is not to be reached on ${page.url()}`);
        assert(found.isSeen, `the focus on ${JSON.stringify(found)} cannot be seen on ${page.url()}`);
        assert(found.isBehind, `the focus jumps to ${found.text} on ${page.url()}`);
        if (found.text === text) return;
    }
    assert.fail(`${text} is not to be reached`);
}

async function follow(page, text, key = 'Enter') {
    await tabTo(page, text);
    await leave(page, () => page.keyboard.press(key));
}

await story(async (browser) => {
    const page = await visit(browser);
    await open(page, '/');
    // The first stop leads past the navigation.
    await tabTo(page, 'Skip to content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await page.keyboard.press('Tab');
    assert.equal((await page.evaluate(focused)).tag, 'INPUT', 'the search comes next');
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
        await page.keyboard.press('Tab');
        if ((await page.evaluate(() => document.activeElement.getAttribute('role'))) === 'region') {
            assert((await page.evaluate(focused)).isSeen);
            isQuiet(page);
            return;
        }
    }
    assert.fail('the text of the file is no stop');
});
