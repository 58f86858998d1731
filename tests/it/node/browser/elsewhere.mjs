// Lets forms of other sites, of other ports of this one, and of reports try what an administrator may do. The browser sends the
// session's cookie along with all of them, as one that knew no SameSite would, so only the look at where a form comes from is
// in their way.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { base, click, heading, leave, open, plan, story, visit } from './browser.mjs';

const server = createServer((request, answer) => {
    const { pathname, searchParams } = new URL(request.url, base);
    answer.setHeader('Content-Type', 'text/html');
    if (pathname === '/sandboxed') answer.setHeader('Content-Security-Policy', 'sandbox allow-forms');
    answer.end(`<form method="post" action="${base}${searchParams.get('to')}"><button>go</button></form>`);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const PLACES = [
    // Another port of the same host is the same site.
    [`http://127.0.0.1:${port}/form`, 'same-site', `http://127.0.0.1:${port}`],
    [`http://localhost:${port}/form`, 'cross-site', `http://localhost:${port}`],
    [`http://127.0.0.1:${port}/sandboxed`, 'cross-site', 'null'],
];

async function signIn(page) {
    await open(page, '/-/sign_in');
    await page.getByLabel('Personal token').fill(plan.token);
    await click(page, 'Sign in', 'button');
    const context = page.context();
    const [cookie] = await context.cookies();
    await context.addCookies([{ ...cookie, sameSite: 'None', secure: true }]);
}

/** Waits for a form's request and its answer, which has to be a refusal in spite of the cookie. */
async function isRefused(page, send, path, [, site, origin]) {
    const came = page.waitForResponse((response) => response.request().method() === 'POST');
    await send();
    const answer = await came;
    const sent = await answer.request().allHeaders();
    const where = `${path} from ${origin}`;
    assert.deepEqual([sent['sec-fetch-site'], sent.origin], [site, origin], where);
    assert.match(sent.cookie ?? '', /artigate_session=/, where);
    assert.equal(answer.status(), 403, where);
    await page.getByText('Nothing was changed').waitFor();
}

async function ofOtherSites(browser) {
    const page = await visit(browser);
    await signIn(page);
    for (const place of PLACES) {
        for (const path of plan.forms) {
            await page.goto(`${place[0]}?to=${encodeURIComponent(path)}`);
            await isRefused(page, () => page.getByRole('button').click(), path, place);
        }
    }
    await open(page, '/');
    assert.match(await page.locator('.person').textContent(), /admin/, 'the session goes on');
}

/** Sends a form from the report that is open; returns the directive that blocked it, or nothing. */
const submit = (action) =>
    new Promise((resolve) => {
        addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective));
        addEventListener('pagehide', () => resolve());
        document.body.append(Object.assign(document.createElement('form'), { method: 'post', action }));
        document.forms[document.forms.length - 1].submit();
    });

async function ofReports(browser) {
    const page = await visit(browser);
    await signIn(page);
    await open(page, plan.report);
    await page.getByRole('button', { name: 'Show the report' }).click();
    await page.waitForURL('**/-/r/**');
    assert.equal(await page.evaluate(() => self.origin), 'null');
    const posted = [];
    page.context().on('request', (request) => request.method() === 'POST' && posted.push(request.url()));
    for (const path of plan.forms) {
        assert.equal(await page.evaluate(submit, base + path), 'form-action', path);
    }
    assert.deepEqual(posted, [], 'its policy lets no form out');
    // And without that part of it, which another fault might take away.
    const address = page.url();
    const unlocked = async (route) => {
        const answer = await route.fetch();
        const policy = answer.headers()['content-security-policy'].split('; ').filter((part) => !part.startsWith('form-action'));
        await route.fulfill({ response: answer, headers: { ...answer.headers(), 'content-security-policy': policy.join('; ') } });
    };
    for (const path of plan.forms) {
        await page.route(address, unlocked);
        await page.goto(address);
        await page.unroute(address);
        assert.equal(await page.evaluate(() => self.origin), 'null');
        await isRefused(page, () => page.evaluate(submit, base + path).catch(() => {}), path, ['', 'cross-site', 'null']);
    }
}

/** The same on our own pages does what it says. */
async function ofOurOwn(browser) {
    const page = await visit(browser);
    await signIn(page);
    await open(page, '/-/operate');
    await click(page, 'Run a sweep now', 'button');
    assert.match(page.url(), /\?done=sw\w+#status$/);
    await open(page, plan.job);
    await click(page, 'Keep for ever', 'button');
    assert.match(await page.locator('tbody').textContent(), /never expires/);
    await leave(page, () => page.getByRole('button', { name: 'Sign out' }).click());
    assert.equal(await heading(page), 'Projects');
}

await story(async (browser) => {
    if (plan.isOurOwn) return ofOurOwn(browser);
    await ofOtherSites(browser);
    await ofReports(browser);
});
server.close();
