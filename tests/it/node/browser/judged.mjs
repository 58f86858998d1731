// Has every page judged, light and dark, wide and on a phone. The argument lists addresses with their expected status.

import assert from 'node:assert/strict';
import { isQuiet, judge, open, plan, sideways, story, visit } from './browser.mjs';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 320, height: 640 };

// The scheme changes nothing but colours, so each size of the window is judged once by all rules.
const LOOKS = [
    ['light', WIDE],
    ['dark', PHONE],
    ['dark', WIDE, ['color-contrast']],
    ['light', PHONE, ['color-contrast']],
];

async function look(page, path, faults) {
    for (const [colorScheme, size, rules] of LOOKS) {
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

await story(async (browser) => {
    const faults = [];
    const todo = [...plan.pages];
    // Two windows at a time.
    const worker = async () => {
        const page = await visit(browser, { token: plan.token });
        for (let next = todo.shift(); next; next = todo.shift()) {
            const [path, status] = next;
            await open(page, path, status);
            await look(page, path, faults);
        }
        isQuiet(page);
    };
    await Promise.all([worker(), worker()]);
    assert.deepEqual(faults, []);
});
