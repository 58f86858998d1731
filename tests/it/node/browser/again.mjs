// Reloads pages, copies their addresses into another window and goes back: the same is shown. Lines can be linked to.

import assert from 'node:assert/strict';
import { base, isQuiet, open, plan, story, visit } from './browser.mjs';

const shown = (page) => page.locator('main').textContent();

await story(async (browser) => {
    const page = await visit(browser, { token: plan.token });
    const other = await visit(browser, { token: plan.token });
    let before;
    for (const path of plan.pages) {
        await open(page, path);
        const text = await shown(page);
        await page.reload();
        assert.equal(await shown(page), text, path);
        await other.goto(page.url());
        assert.equal(await shown(other), text, path);
        if (before) {
            await page.goBack();
            assert.equal(await shown(page), before);
            await page.goForward();
            assert.equal(await shown(page), text);
        }
        before = text;
    }
    await open(page, `${plan.long}#L900`);
    const line = page.locator('#L900');
    assert.match(await line.textContent(), /line 900/);
    assert(await line.evaluate((it) => it.matches(':target') && it.getBoundingClientRect().top < innerHeight));
    assert((await page.evaluate(() => scrollY)) > 0, 'it was scrolled there');
    const mark = await line.evaluate((it) => getComputedStyle(it).backgroundColor);
    assert.notEqual(mark, await page.locator('#L901').evaluate((it) => getComputedStyle(it).backgroundColor));
    // A click on a number makes the address of its line.
    await page.locator('#L905 a').click();
    assert.equal(page.url(), `${base}${plan.long}#L905`);
    isQuiet(page);
    isQuiet(other);
});
