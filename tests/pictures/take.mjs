// Takes the pictures: `node take.mjs URL JSON FOLDER` signs in at the server and writes NAME-light.png and NAME-dark.png
// of each page of the world (see shop.py) into the folder.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { isQuiet, leave, open, plan, story, visit } from '../it/node/browser/browser.mjs';

const folder = process.argv[4];

// The day of the pictures, whose times move with the real one: else each would differ from the one before by its dates.
const DAY = Date.UTC(2026, 2, 2, 12, 0);
const MINUTE = 60_000;

/** Writes the dates that the page shows as if it were that day; how far away they are stays as it is. */
function moveDates(page) {
    // Pages round down to the minute.
    const now = Date.parse(plan.now);
    return page.evaluate((moved) => {
        const date = /(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/;
        for (const shown of document.querySelectorAll('.date')) {
            shown.textContent = shown.textContent.replace(date, (_, day, minute) => {
                const [then, at] = new Date(Date.parse(`${day}T${minute}Z`) + moved).toISOString().split('T');
                return `${then} ${at.slice(0, 5)} UTC`;
            });
        }
    }, DAY - (now - (now % MINUTE)));
}

/** Writes the URLs that the page shows as if the server had a name, since its port is another one each time. */
function nameServer(page) {
    return page.evaluate(() => {
        for (const shown of document.querySelectorAll('.facts a')) {
            shown.textContent = shown.textContent.replace(location.origin, 'https://artifacts.example.com');
        }
    });
}

await story(async (browser) => {
    for (const scheme of ['light', 'dark']) {
        const page = await visit(browser, { dark: scheme === 'dark' });
        await open(page, '/-/sign_in');
        await page.getByLabel('Personal token').fill(plan.token);
        await leave(page, () => page.getByRole('button', { name: 'Sign in', exact: true }).click());
        for (const [name, path] of Object.entries(plan.pages)) {
            await open(page, path);
            assert.match(await page.locator('.person a').first().textContent(), /^Alice|^alice/, 'signed in');
            await moveDates(page);
            await nameServer(page);
            await page.screenshot({ path: join(folder, `${name}-${scheme}.png`), animations: 'disabled', timeout: 20_000 });
        }
        isQuiet(page);
        await page.context().close();
    }
});
