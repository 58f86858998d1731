// Has every page judged, light and dark, wide and on a phone. The plan lists addresses with their expected status and, where
// it is not the person of the plan who just opens them, how they are come by: with another `token`, by `fields` of a form that
// the first page sends there, or by a form of no page at all (`elsewhere`). A `sandboxed` page runs no script, not even the
// judge's, so its text is judged.

import assert from 'node:assert/strict';
import { base, isQuiet, judge, leave, open, plan, sideways, story, visit } from './browser.mjs';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 320, height: 640 };

// The scheme changes nothing but colours, so each size of the window is judged once by all rules.
const LOOKS = [
    ['light', WIDE],
    ['dark', PHONE],
    ['dark', WIDE, ['color-contrast']],
    ['light', PHONE, ['color-contrast']],
];

async function look(page, path, faults, looks = LOOKS) {
    for (const [colorScheme, size, rules] of looks) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(size);
        const { violations, incomplete } = await judge(page, rules);
        const where = `${path} (${colorScheme}, ${size.width} px)`;
        faults.push(...violations.map((violation) => `${where}: ${violation}`));
        faults.push(...incomplete.map((undecided) => `${where}, undecided: ${undecided}`));
        if (size === PHONE && (await sideways(page)) > 0) {
            faults.push(`${where}: it can be moved ${await sideways(page)} px sideways`);
        }
    }
}

/** Sends a form from the first page or from none, and expects a page. */
async function send(page, path, status, { fields = {}, elsewhere = false }) {
    if (elsewhere) await page.goto('about:blank');
    else await open(page, '/');
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    const submit = ([action, fields]) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action });
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement('input'), { name, value }));
        document.body.append(form);
        form.submit();
    };
    await leave(page, () => page.evaluate(submit, [base + path, fields]));
    assert.equal((await answer).status(), status, path);
}

await story(async (browser) => {
    const faults = [];
    const todo = [...plan.pages];
    // Two windows at a time.
    const worker = async () => {
        const page = await visit(browser, { token: plan.token });
        for (let next = todo.shift(); next; next = todo.shift()) {
            const [path, status, how] = next;
            if (how?.token) await page.setExtraHTTPHeaders({ 'PRIVATE-TOKEN': how.token });
            if (how?.fields || how?.elsewhere) await send(page, path, status, how);
            else await open(page, path, status);
            let looks = LOOKS;
            if (how?.sandboxed) {
                const text = await page.content();
                await page.goto('about:blank');
                await page.setContent(text);
                // It has no style, and the judge does not know the browser's own dark colours.
                looks = LOOKS.filter(([colorScheme]) => colorScheme === 'light');
            }
            await look(page, path, faults, looks);
            if (how?.token) await page.setExtraHTTPHeaders({});
        }
        isQuiet(page);
    };
    await Promise.all([worker(), worker()]);
    assert.deepEqual(faults, []);
});
