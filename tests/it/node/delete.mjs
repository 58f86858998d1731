// Deletes one job's artifacts, then the project's, in every way that gitbeaker knows.
//
// Usage: delete.mjs BASE_URL TOKEN PROJECT_PATH JOB_ID OTHER_JOB_ID
//
// Both jobs have an archive. The project's deletion is only asked for: what it takes is gone when the
// gateway has swept, so the caller looks at that.

import assert from 'node:assert/strict';
import { Gitlab, expectStatus } from './gitbeaker.mjs';

const [host, token, project, ...numbers] = process.argv.slice(2);
const [jobId, otherJobId] = numbers.map(Number);
assert(otherJobId, 'usage: delete.mjs BASE_URL TOKEN PROJECT_PATH JOB_ID OTHER_JOB_ID');

const { JobArtifacts } = new Gitlab({ host, token });
const stranger = new Gitlab({ host, token: 'no-such-token' }).JobArtifacts;
const download = (id) => JobArtifacts.downloadArchive(project, { jobId: id });
const isThere = async (id) => assert((await download(id)).size > 0);
const isGone = (id) => expectStatus(404, /^404 Not Found$/i, () => download(id));

await expectStatus(401, /^401 Unauthorized$/, () => stranger.remove(project, { jobId }));
await expectStatus(401, /^401 Unauthorized$/, () => stranger.remove(project));
await isThere(jobId);

const deleted = await JobArtifacts.remove(project, { jobId, showExpanded: true });
assert.equal(deleted.status, 204);
await isGone(jobId);
await expectStatus(404, /^404 Not Found$/i, () => JobArtifacts.keep(project, jobId));
await isThere(otherJobId);
console.log('job: 204');

await JobArtifacts.remove(project);
const again = await JobArtifacts.remove(project, { showExpanded: true });
assert.equal(again.status, 202);
console.log('project: 202');
