// Goes from a project's name to its newest artifacts, keeps and deletes them, with gitbeaker.
//
// Usage: whole.mjs BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH
//
// Prints what it found; the caller compares that, and the files in OUT_DIR with the archive. gitbeaker
// knows the address of the next page from the Link header alone, and of that only the query.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Gitlab, expectStatus } from './gitbeaker.mjs';

const [host, token, path, ref, jobName, out, artifactPath] = process.argv.slice(2);
assert(artifactPath, 'usage: whole.mjs BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH');
await mkdir(out);
const write = async (name, blob) => writeFile(join(out, name), Buffer.from(await blob.arrayBuffer()));
const ids = (items) => items.map(({ id }) => id).join(' ');

const { JobArtifacts, Jobs, Metadata, Pipelines, Projects, PersonalAccessTokens, Users } = new Gitlab({ host, token });
const user = await Users.showCurrentUser();
assert.equal((await PersonalAccessTokens.show()).user_id, user.id);
assert.match((await Metadata.show()).version, /^\d+\.\d+\.\d+/);
console.log(`user: ${user.username}`);

const project = await Projects.show(path);
const found = await Projects.all({ search: path.split('/').at(-1), membership: true });
assert.equal(ids(found), `${project.id}`);
assert((await Projects.all({ pagination: 'keyset', orderBy: 'id', perPage: 1 })).some(({ id }) => id === project.id));
console.log(`project: ${project.id}`);

const jobs = await Jobs.all(path, { perPage: 1 });
assert.deepEqual(await Jobs.all(path, { pagination: 'keyset', orderBy: 'id', sort: 'desc', perPage: 2 }), jobs);
console.log(`jobs: ${ids(jobs)}`);
console.log(`succeeded: ${ids(await Jobs.all(path, { scope: ['success', 'failed'], perPage: 1 }))}`);

const pipeline = await Pipelines.showLatest(path, { ref });
const newest = await Pipelines.all(path, { ref, status: 'success', perPage: 1, page: 1, showExpanded: true });
assert.equal(ids(newest.data), `${pipeline.id}`);
assert.equal(newest.paginationInfo.perPage, 1);
assert.deepEqual(await Pipelines.show(path, pipeline.id), pipeline);
console.log(`pipeline: ${pipeline.id}`);
const inside = await Jobs.all(path, { pipelineId: pipeline.id, includeRetried: true });
assert.deepEqual(await Jobs.allPipelineBridges(path, pipeline.id), []);
const [{ id: jobId }] = inside.filter(({ name }) => name === jobName);
assert.equal((await Jobs.show(path, jobId)).name, jobName);
console.log(`job: ${jobId}`);

await write('by-id.zip', await JobArtifacts.downloadArchive(path, { jobId }));
await write('by-ref.zip', await JobArtifacts.downloadArchive(path, { ref, job: jobName }));
await write('one', await JobArtifacts.downloadArchive(path, { jobId, artifactPath }));
const kept = await JobArtifacts.keep(path, jobId);
console.log(`kept until: ${kept.artifacts_expire_at === null ? 'None' : kept.artifacts_expire_at}`);
await JobArtifacts.remove(path, { jobId });
await expectStatus(404, /^404 Not Found$/i, () => JobArtifacts.downloadArchive(path, { jobId }));
assert(!('artifacts_file' in await Jobs.show(path, jobId)));
console.log('deleted');
