// Opens files with hostile names and contents: each is shown as text, its link opens it and no other, nothing runs.

import assert from 'node:assert/strict';
import { base, isQuiet, leave, open, plan, sideways, story, visit } from './browser.mjs';

await story(async (browser) => {
    const page = await visit(browser, { width: 320 });
    await open(page, plan.folder);
    assert.equal(await sideways(page), 0, 'names do not push the page apart');
    const rows = page.locator('tbody th a');
    const count = await rows.count();
    assert.equal(count, plan.files.length);
    const opened = [];
    for (let row = 0; row < count; row++) {
        await open(page, plan.folder);
        await leave(page, () => rows.nth(row).click());
        assert.equal(await sideways(page), 0, page.url());
        opened.push((await page.locator('.file, .note, pre').first().textContent()).trim());
        assert.equal(await page.locator('main img[onerror], main script, main iframe').count(), 0);
        assert.equal(new URL(page.url()).origin, base);
    }
    assert.deepEqual(opened.sort(), [...plan.files].sort(), 'each link opens one file, and no two the same');
    isQuiet(page);

    // A picture with a script is a picture, and its script does not run.
    await open(page, plan.picture);
    const shown = page.locator('img.media');
    assert((await shown.evaluate((image) => image.decode().then(() => image.naturalWidth))) > 0);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    isQuiet(page);

    // HTML by its raw address is a download, whoever types it in.
    const download = page.waitForEvent('download');
    await page.goto(base + plan.html).catch(() => {});
    assert.equal((await download).suggestedFilename(), 'page.html');
    assert.equal(new URL(page.url()).pathname, plan.picture, 'the page stays');
});
