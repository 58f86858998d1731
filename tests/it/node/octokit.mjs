// Reads and deletes with Octokit: pages, one artifact, its bytes.
//
// Usage: octokit.mjs BASE_URL TOKEN OWNER REPO RUN_ID OUT_FILE

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [baseUrl, auth, owner, repo, run_id, out] = process.argv.slice(2);
assert(out, 'usage: octokit.mjs BASE_URL TOKEN OWNER REPO RUN_ID OUT_FILE');
const folder = join(process.env.ARTIGATE_TEST_NODE_MODULES, '@octokit/rest');
const entry = createRequire(import.meta.url)(join(folder, 'package.json'));
const { Octokit } = await import(pathToFileURL(join(folder, entry.exports['.'].import ?? entry.exports['.'].default ?? entry.main)).href);
const octokit = new Octokit({ auth, baseUrl: `${baseUrl}/api/v3`, log: { debug() {}, info() {}, warn() {}, error() {} } });
const where = { owner, repo };

const all = await octokit.paginate(octokit.rest.actions.listArtifactsForRepo, { ...where, per_page: 2 });
console.log(`all: ${all.map(({ name }) => name).join(' ')}`);
const ofRun = await octokit.paginate(octokit.rest.actions.listWorkflowRunArtifacts, { ...where, run_id, per_page: 1 });
console.log(`run: ${ofRun.map(({ name }) => name).join(' ')}`);
const artifact_id = ofRun[0].id;
const one = await octokit.rest.actions.getArtifact({ ...where, artifact_id });
assert.deepEqual(one.data, ofRun[0]);
const same = await octokit.rest.actions.getArtifact({ ...where, artifact_id, headers: { 'if-none-match': one.headers.etag } }).catch((error) => error);
console.log(`same: ${same.status}`);
const zip = await octokit.rest.actions.downloadArtifact({ ...where, artifact_id, archive_format: 'zip' });
await writeFile(out, Buffer.from(zip.data));
console.log(`deleted: ${(await octokit.rest.actions.deleteArtifact({ ...where, artifact_id })).status}`);
const missing = await octokit.rest.actions.getArtifact({ ...where, artifact_id }).catch((error) => error);
console.log(`missing: ${missing.status}`);
