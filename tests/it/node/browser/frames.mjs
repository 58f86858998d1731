// Another site frames pages and sends forms to them: nothing is shown, and nothing changes.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { base, plan, story, visit } from './browser.mjs';

const server = createServer((request, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    const address = base + decodeURIComponent(request.url.split('?')[1] ?? '');
    if (request.url.startsWith('/frame')) answer.end(`<iframe src="${address}"></iframe>`);
    else answer.end(`<form method="post" action="${address}"><button>go</button></form>`);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

await story(async (browser) => {
    for (const host of ['127.0.0.1', 'localhost']) {
        const page = await visit(browser, { token: plan.token });
        for (const path of plan.frames) {
            await page.goto(`http://${host}:${port}/frame?${encodeURIComponent(path)}`);
            // Chromium shows a page of its own in the frame.
            await page.frames()[1].waitForURL('chrome-error://chromewebdata/');
        }
        for (const path of plan.forms) {
            await page.goto(`http://${host}:${port}/form?${encodeURIComponent(path)}`);
            const answer = page.waitForResponse((response) => response.request().method() === 'POST');
            await page.getByRole('button').click();
            assert.equal((await answer).status(), 403, `${path} from ${host}`);
            await page.getByText('Nothing was changed').waitFor();
        }
        await page.context().close();
    }
    // A sandboxed frame has no origin at all.
    const page = await visit(browser, { token: plan.token });
    await page.goto(`http://127.0.0.1:${port}/form?x`);
    // Its requests are seen in what the browser says of them alone.
    const refused = page.waitForEvent('console', (message) => /status of 403/.test(message.text()));
    await page.evaluate((address) => {
        const frame = document.createElement('iframe');
        frame.sandbox = 'allow-forms allow-scripts';
        frame.srcdoc = `<form method="post" action="${address}"></form><script>document.forms[0].submit()</script>`;
        document.body.append(frame);
    }, base + plan.forms[0]);
    await refused;
});
server.close();
