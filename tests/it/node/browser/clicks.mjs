// Goes from the list of projects to a file with the mouse alone, with and without scripts.

import assert from 'node:assert/strict';
import { click, heading, isQuiet, leave, open, story, visit } from './browser.mjs';

await story(async (browser) => {
    for (const script of [true, false]) {
        const page = await visit(browser, { script });
        await open(page, '/');
        const projects = await page.locator('tbody th').allTextContents();
        assert.deepEqual(projects, ['demo/site Site'], 'signed out, there is the public project alone');
        await click(page, 'demo/site');
        assert.equal(await heading(page), 'Site');
        await click(page, 'Pipelines');
        await click(page, '101');
        await click(page, 'build');
        assert.equal(await heading(page), 'Job build');
        await click(page, 'Browse site.zip');
        await click(page, 'css/');
        await click(page, 'site.css');
        assert.match(await page.locator('.file').textContent(), /Georgia, serif/);
        assert.equal(await page.title(), 'site.css – css – Archive – Job build – Pipeline 101 – Pipelines – site – demo – artigate');
        // And back up, by the way that the page shows.
        const up = page.locator('.crumbs').getByRole('link', { name: 'site', exact: true });
        await leave(page, () => up.click());
        assert.equal(await heading(page), 'Site');
        isQuiet(page);
        await page.context().close();
    }
});
