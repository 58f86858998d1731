// Downloads one job's artifacts in every way that gitbeaker knows.
//
// Usage: download.mjs BASE_URL TOKEN PROJECT_PATH JOB_ID REF JOB_NAME OUT_DIR ENTRY_PATH...
//
// gitbeaker turns an answer into what its Content-Type says; what it made is checked and written as
// bytes again, which the caller compares: JSON in its shortest form, text as UTF-8. By ref it sends
// the entry's path as one encoded segment, by id with its slashes as they are.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Gitlab, expectStatus } from './gitbeaker.mjs';

const [host, token, project, jobId, ref, job, out, ...entries] = process.argv.slice(2);
assert(entries.length > 0, 'usage: download.mjs BASE_URL TOKEN PROJECT_PATH JOB_ID REF JOB_NAME OUT_DIR ENTRY_PATH...');

async function write(name, bytes) {
    await mkdir(dirname(join(out, name)), { recursive: true });
    await writeFile(join(out, name), bytes);
}

async function bytesOf(entry, received) {
    if (entry.endsWith('.json')) {
        assert.equal(Object.getPrototypeOf(received), Object.prototype, `${entry} is a parsed object`);
        return JSON.stringify(received);
    }
    if (entry.endsWith('.txt')) {
        assert.equal(typeof received, 'string', `${entry} is text`);
        return received;
    }
    assert(received instanceof Blob, `${entry} is a Blob`);
    return Buffer.from(await received.arrayBuffer());
}

const { JobArtifacts } = new Gitlab({ host, token });
for (const [name, where] of [['by-id', { jobId: Number(jobId) }], ['by-ref', { ref, job }]]) {
    await write(`${name}.zip`, await bytesOf('.zip', await JobArtifacts.downloadArchive(project, where)));
    const stream = await JobArtifacts.downloadArchive(project, { ...where, asStream: true });
    await write(`streamed-${name}.zip`, stream);
    for (const artifactPath of entries) {
        const received = await JobArtifacts.downloadArchive(project, { ...where, artifactPath });
        await write(`${name}/${artifactPath}`, await bytesOf(artifactPath, received));
    }
    await expectStatus(404, /^404 Not Found$/i, () =>
        JobArtifacts.downloadArchive(project, { ...where, artifactPath: `${entries[0]}.missing` }));
}
console.log('missing: 404');

const stranger = new Gitlab({ host, token: 'no-such-token' }).JobArtifacts;
await expectStatus(401, /^401 Unauthorized$/, () => stranger.downloadArchive(project, { jobId: Number(jobId) }));
await expectStatus(401, /^401 Unauthorized$/, () => stranger.downloadArchive(project, { ref, job }));
console.log('unauthorized: 401');
