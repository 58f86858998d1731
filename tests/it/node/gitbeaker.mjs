// Loads gitbeaker and says what its calls have to throw; used by the stories beside it.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

// Modules that are imported by name are looked for beside the importing file only.
const modules = process.env.ARTIGATE_TEST_NODE_MODULES;
assert(modules, 'ARTIGATE_TEST_NODE_MODULES names no folder with @gitbeaker/rest');

export const { Gitlab, GitbeakerRequestError } = createRequire(`${modules}/`)('@gitbeaker/rest');

/** Asserts that the call fails with this HTTP status, and with the text of a JSON `message`. */
export async function expectStatus(status, description, call) {
    await assert.rejects(call, (error) => {
        assert(error instanceof GitbeakerRequestError, error);
        assert.equal(error.cause.response.status, status);
        assert.match(error.cause.description, description);
        return true;
    });
}
