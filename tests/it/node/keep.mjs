// Keeps one job's artifacts and prints the job, as gitbeaker parsed it, as JSON.
//
// Usage: keep.mjs BASE_URL TOKEN READ_ONLY_TOKEN PROJECT_PATH JOB_ID

import assert from 'node:assert/strict';
import { Gitlab, expectStatus } from './gitbeaker.mjs';

const [host, token, readOnlyToken, project, jobId] = process.argv.slice(2);
assert(jobId, 'usage: keep.mjs BASE_URL TOKEN READ_ONLY_TOKEN PROJECT_PATH JOB_ID');

const keepAs = (someone, options) =>
    new Gitlab({ host, token: someone }).JobArtifacts.keep(project, Number(jobId), options);

await expectStatus(401, /^401 Unauthorized$/, () => keepAs('no-such-token'));
await expectStatus(403, /./, () => keepAs(readOnlyToken));
const kept = await keepAs(token);
const again = await keepAs(token, { showExpanded: true });
assert.equal(again.status, 200);
assert.deepEqual(again.data, kept);
console.log(JSON.stringify(kept));
