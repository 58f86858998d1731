// Works with a token that the command line then revokes: the next click leads to the sign-in page, and a report that is open
// gets nothing more.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { base, click, heading, open, plan, story, visit } from './browser.mjs';

const { program, folder, words } = plan.revoke;
const settings = Object.entries(process.env).filter(([name]) => !name.startsWith('ARTIGATE_'));

/** What a file of the report that is open holds, as far as the report is told. */
const load = (report, file) => report.evaluate((file) => fetch(file).then((answer) => answer.text(), () => 'nothing'), file);

await story(async (browser) => {
    const page = await visit(browser);
    await open(page, plan.job);
    await page.getByLabel('Personal token').fill(plan.token);
    await click(page, 'Sign in', 'button');
    assert.equal(page.url(), base + plan.job);
    const report = await page.context().newPage();
    await report.goto(base + plan.report);
    await report.getByRole('button', { name: 'Show the report' }).click();
    await report.waitForURL('**/-/r/**');
    assert.equal(await load(report, 'one.json'), '1');

    execFileSync(program, words, { cwd: folder, env: Object.fromEntries(settings) });

    assert.equal(await load(report, 'two.json'), 'nothing');
    await click(page, 'Browse artifacts.zip');
    assert.equal(await heading(page), 'Sign in');
    assert.match(await page.getByRole('status').textContent(), /session has ended/);
    assert.deepEqual((await page.context().cookies()).filter(({ name }) => name.includes('session')), []);
    await report.reload();
    assert.equal(await heading(report), 'Sign in');
});
