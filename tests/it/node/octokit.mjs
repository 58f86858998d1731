// Reads and deletes with Octokit: pages, one artifact, its bytes and its digest; then what has expired.
//
// Usage: octokit.mjs BASE_URL TOKEN OWNER REPO RUN_ID OUT_FILE [expired]

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [baseUrl, auth, owner, repo, run_id, out, expired] = process.argv.slice(2);
assert(out, 'usage: octokit.mjs BASE_URL TOKEN OWNER REPO RUN_ID OUT_FILE [expired]');
const folder = join(process.env.ARTIGATE_TEST_NODE_MODULES, '@octokit/rest');
const entry = createRequire(import.meta.url)(join(folder, 'package.json'));
const { Octokit } = await import(pathToFileURL(join(folder, entry.exports['.'].import ?? entry.exports['.'].default ?? entry.main)).href);
const octokit = new Octokit({ auth, baseUrl: `${baseUrl}/api/v3`, log: { debug() {}, info() {}, warn() {}, error() {} } });
const { actions } = octokit.rest;
const where = { owner, repo };
const download = (artifact_id) => actions.downloadArtifact({ ...where, artifact_id, archive_format: 'zip' });

if (expired) {
    for (const { id, name, expired, expires_at } of await octokit.paginate(actions.listWorkflowRunArtifacts, { ...where, run_id, per_page: 1 })) {
        const { status, message } = await download(id).catch((error) => error);
        console.log(`${name}: expired ${expired} ${new Date(expires_at) < new Date('2026-04-01')} ${status} ${message.split(' - ')[0]}`);
        console.log(`deleted: ${(await actions.deleteArtifact({ ...where, artifact_id: id })).status}`);
    }
    console.log(`left: ${(await actions.listWorkflowRunArtifacts({ ...where, run_id })).data.total_count}`);
    process.exit();
}
const all = await octokit.paginate(actions.listArtifactsForRepo, { ...where, per_page: 2 });
console.log(`all: ${all.map(({ name }) => name).join(' ')}`);
const ofRun = await octokit.paginate(actions.listWorkflowRunArtifacts, { ...where, run_id, per_page: 1 });
console.log(`run: ${ofRun.map(({ name }) => name).join(' ')}`);
const byName = await actions.listArtifactsForRepo({ ...where, name: 'bin' });
assert.deepEqual(byName.data, { total_count: 1, artifacts: [ofRun[0]] });
const artifact_id = ofRun[0].id;
const one = await actions.getArtifact({ ...where, artifact_id });
assert.deepEqual(one.data, ofRun[0]);
assert.equal(one.headers['x-github-request-id'], one.headers['x-request-id']);
const same = await actions.getArtifact({ ...where, artifact_id, headers: { 'if-none-match': one.headers.etag } }).catch((error) => error);
console.log(`same: ${same.status}`);
const zip = Buffer.from((await download(artifact_id)).data);
console.log(`digest: ${one.data.digest === `sha256:${createHash('sha256').update(zip).digest('hex')}`}`);
await writeFile(out, zip);
console.log(`deleted: ${(await actions.deleteArtifact({ ...where, artifact_id })).status}`);
const missing = await actions.getArtifact({ ...where, artifact_id }).catch((error) => error);
console.log(`missing: ${missing.status}`);
