// Opens a report as a person does, and uses it: its filter, its order, its search. `kind` of the plan is that of the checks
// below; with `hosts` the report has a host of its own, and nobody is told who wrote it. What a report may complain of is
// `expected`.

import assert from 'node:assert/strict';
import { base, heading, plan, story, visit } from './browser.mjs';

const visible = (page, selector) => page.locator(selector).filter({ visible: true });

/** Waits until a locator has so many elements. */
const has = async (locator, count) => {
    for (let tries = 0; (await locator.count()) !== count; tries += 1) {
        assert(tries < 300, `${locator} has ${await locator.count()} and not ${count}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
};

const checks = {
    async coverage(page) {
        await has(visible(page, 'table.index tr.region'), 2);
        await page.fill('#filter', 'test_');
        await has(visible(page, 'table.index tr.region'), 1);
        await page.fill('#filter', '');
        await has(visible(page, 'table.index tr.region'), 2);
        const first = () => page.locator('table.index tr.region').first().textContent();
        const before = await first();
        await page.click('th#missing');
        await page.click('th#missing');
        assert.notEqual(await page.getAttribute('th#missing', 'aria-sort'), 'none');
        await page.click('th#file');
        await page.click('th#file');
        assert.notEqual(await first(), before, 'it is sorted the other way round');
        await page.click('a[href="shapes_py.html"]');
        await page.locator('p.mis').first().waitFor();
        await page.click('button.button_toggle_run');
        await has(visible(page, 'p.show_run'), 0).catch(() => {});
    },
    async pytest(page) {
        await has(visible(page, '.results-table-row'), 2);
        await page.click('input[data-test-result="passed"]');
        await has(visible(page, '.results-table-row'), 1);
        assert.match(await page.textContent('.results-table-row'), /test_circle/);
    },
    async sphinx(page) {
        await page.fill('input[name="q"]', 'circumference');
        await page.press('input[name="q"]', 'Enter');
        await has(page.locator('#search-results li'), 1);
        await page.locator('#search-results li', { hasText: 'has an area and a' }).waitFor();
        await page.click('#search-results li a');
        await page.locator('h1', { hasText: 'Circles' }).waitFor();
    },
    async istanbul(page) {
        await has(visible(page, 'tbody tr'), 3);
        await page.fill('#fileSearch', 'colors');
        await has(visible(page, 'tbody tr'), 1);
        await page.fill('#fileSearch', '');
        const first = () => page.locator('tbody tr').first().textContent();
        const before = await first();
        await page.click('th.file');
        assert.notEqual(await first(), before, 'it is sorted the other way round');
        await page.click('a[href="shapes.js.html"]');
        await page.locator('pre .cstat-no, pre .fstat-no').first().waitFor();
    },
    async rustdoc(page) {
        await page.keyboard.press('s');
        await page.locator('input.search-input').first().fill('square');
        await page.locator('ul.search-results a[href$="fn.square.html"]').first().click();
        await page.locator('h1', { hasText: 'square' }).waitFor();
    },
    async allure(page) {
        const test = page.getByText('circle has an area').first();
        await test.waitFor();
        await test.click();
        await page.getByText('expected 4').first().waitFor();
    },
    async playwright(page) {
        await page.getByText('circle has an area').first().waitFor();
        await page.fill('input[name="q"]', 'square');
        await has(page.getByText('circle has an area').filter({ visible: true }), 0);
        await page.getByText('square has an area').first().click();
        await page.getByText('shapes.spec.js:2').first().waitFor();
    },
    async javadoc(page) {
        await page.fill('#search-input', 'rad');
        await has(page.locator('#result-list a'), 1);
        await page.click('#theme');
        assert.equal(await page.getAttribute('html', 'data-theme'), 'theme-dark');
        await page.click('#result-list a');
        await page.locator('h1', { hasText: 'Class Circle' }).waitFor();
        const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(background, 'rgb(238, 238, 221)');
    },
    async storybook(page) {
        await page.click('#sidebar a');
        await page.locator('#status', { hasText: 'rendered shapes-circle--small' }).waitFor();
        await page.frameLocator('iframe').locator('.circle', { hasText: 'a circle' }).waitFor();
        assert.match(page.url(), /\?path=\/story\/shapes-circle--small$/);
    },
};

await story(async (browser) => {
    const page = await visit(browser);
    await page.goto(base + plan.path);
    if (!plan.hosts) {
        assert.equal(await heading(page), 'Report');
        await page.getByRole('button', { name: 'Show the report' }).click();
    }
    await page.waitForURL('**/-/r/**');
    await checks[plan.kind](page);
    if (plan.hosts) assert.match(new URL(page.url()).host, /^[a-z2-7]{32}\.reports\.localhost$/);
    assert.equal((await page.evaluate(() => self.origin)) === 'null', !plan.hosts);
    const unexpected = page.said.filter((said) => !plan.expected.some((part) => said.includes(part)));
    assert.deepEqual(unexpected, []);
}, plan);
