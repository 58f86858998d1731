// Searches, sorts, turns pages, keeps and deletes without scripts.

import assert from 'node:assert/strict';
import { base, click, isQuiet, leave, open, plan, story, visit } from './browser.mjs';

const names = (page) => page.locator('tbody th').allTextContents();

async function search(page, text) {
    await page.locator('main input[name=search]').fill(text);
    await click(page, 'Search', 'button');
}

async function folders(page) {
    await open(page, plan.folder);
    assert.equal((await names(page)).length, 500);
    await click(page, 'Size');
    await click(page, 'Size');
    assert.equal(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'descending');
    const first = (await names(page))[0];
    await click(page, 'Next page');
    await click(page, 'Next page');
    assert.equal((await names(page)).length, plan.files - 1000);
    await click(page, 'Previous page');
    await click(page, 'Previous page');
    assert.equal((await names(page))[0], first);
    // Sorted by size, the largest is the last by name.
    assert.equal(first, plan.last);
    await search(page, plan.last);
    assert.deepEqual(await names(page), [plan.last]);
    await search(page, 'no such file');
    assert.match(await page.locator('main').textContent(), /Nothing below this folder has/);
}

async function filters(page) {
    await open(page, `${plan.project}/-/pipelines`);
    await page.locator('select[name=status]').selectOption('failed');
    await click(page, 'Filter', 'button');
    assert.match(await page.locator('main').textContent(), /No pipeline matches/);
    await click(page, 'Clear filters');
    assert.equal((await names(page)).length, 1);
    await open(page, `${plan.project}/-/artifacts`);
    await page.locator('select[name=sort]').selectOption('largest');
    await page.locator('select[name=type]').selectOption('archive');
    await click(page, 'Show', 'button');
    assert.equal(await page.locator('select[name=sort]').inputValue(), 'largest');
}

/** What the API says of the job. */
async function told() {
    const answer = await fetch(`${base}/api/v4/projects/1/jobs/${plan.job}`, { headers: { 'PRIVATE-TOKEN': plan.token } });
    return answer.json();
}

async function changes(page) {
    const job = `${plan.project}/-/jobs/${plan.job}`;
    assert.notEqual((await told()).artifacts_expire_at, null);
    await open(page, job);
    await click(page, 'Keep for ever', 'button');
    assert.equal(await page.getByRole('button', { name: 'Keep for ever' }).count(), 0);
    assert.match(await page.locator('tbody').textContent(), /never expires/);
    assert.equal(await page.locator('#status:focus').count(), 1, 'the focus is on what was done');
    assert.equal((await told()).artifacts_expire_at, null);
    await click(page, 'Delete…');
    assert.match(await page.locator('main').textContent(), /cannot be undone/);
    await click(page, 'Cancel');
    assert.equal((await told()).artifacts.length, plan.artifacts);
    await click(page, 'Delete…');
    await click(page, 'Delete for good', 'button');
    assert.equal(page.url(), `${base}${job}?done=deleted#status`);
    assert.match(await page.locator('main').textContent(), /were deleted.*left no artifacts/s);
    assert.deepEqual((await told()).artifacts.map((it) => it.file_type), ['trace'], 'its log stays');
}

async function selected(page) {
    await open(page, `${plan.project}/-/artifacts`);
    const rows = (await names(page)).length;
    await page.getByRole('checkbox').first().check();
    await click(page, 'Delete selected…', 'button');
    await click(page, 'Delete for good', 'button');
    assert.equal((await names(page)).length, rows - 1);
}

await story(async (browser) => {
    const page = await visit(browser, { script: false, token: plan.token });
    await folders(page);
    await filters(page);
    await selected(page);
    await changes(page);
    isQuiet(page);
    // Who may only read is offered nothing, and a form that he makes himself is refused.
    const reader = await visit(browser, { token: plan.reader });
    await open(reader, `${plan.project}/-/jobs/${plan.other}`);
    assert.equal(await reader.locator('main form').count(), 0);
    for (const what of ['keep', 'delete']) {
        await open(reader, `${plan.project}/-/jobs/${plan.other}`);
        const status = await post(reader, `${plan.project}/-/jobs/${plan.other}/artifacts/${what}`);
        assert.equal(status, 403, what);
    }
});

/** Sends a form from the page that is open; returns the status of the answer. */
async function post(page, address) {
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    const send = (action) => {
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', action });
        document.body.append(form);
        form.submit();
    };
    await leave(page, () => page.evaluate(send, address));
    return (await answer).status();
}
