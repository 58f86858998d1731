// Uploads, lists, downloads, overwrites and deletes with GitHub's toolkit.
//
// Usage: toolkit.mjs MAJOR OUT_DIR SOURCE_DIR
//
// Prints what it found; the caller compares the files in OUT_DIR with those in SOURCE_DIR.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { client, failure, findBy, names, say } from './toolkit_client.mjs';

const [major, out, source] = process.argv.slice(2);
assert(source, 'usage: toolkit.mjs MAJOR OUT_DIR SOURCE_DIR');
const files = ['a.txt', 'dir/big.bin', 'dir/empty'].map((name) => join(source, name));

const uploaded = await client.uploadArtifact('bin', files, source, { retentionDays: 5, compressionLevel: 0 });
say('size', uploaded.size > 20_000_000);
say('listed', names(await client.listArtifacts({ latest: true })));
say('got', (await client.getArtifact('bin')).artifact.id === uploaded.id);
const expectedHash = `sha256:${uploaded.digest}`;
const ofJob = await client.downloadArtifact(uploaded.id, { path: join(out, 'job'), expectedHash });
const ofRest = await client.downloadArtifact(uploaded.id, { path: join(out, 'rest'), findBy, expectedHash });
say('found', names(await client.listArtifacts({ findBy })));
say('found one', (await client.getArtifact('bin', { findBy })).artifact.id === uploaded.id);
// The oldest version knows no digests.
if (uploaded.digest) {
    const wrong = await client.downloadArtifact(uploaded.id, { path: join(out, 'wrong'), expectedHash: `sha256:${'0'.repeat(64)}` });
    say('mismatch', ofJob.digestMismatch, ofRest.digestMismatch, wrong.digestMismatch);
    const rows = [];
    for (const by of [{}, { findBy }]) {
        rows.push((await client.getArtifact('bin', by)).artifact, ...(await client.listArtifacts(by)).artifacts);
    }
    say('digests', rows.map(({ digest }) => digest === expectedHash));
}
await client.uploadArtifact('bin', files, source).catch(({ message }) => say('twice', /already exists on the workflow run/.test(message)));
if (major >= 6) {
    const raw = await client.uploadArtifact('ignored', [files[0]], source, { skipArchive: true });
    const { digestMismatch } = await client.downloadArtifact(raw.id, { path: join(out, 'raw'), expectedHash: `sha256:${raw.digest}` });
    say('raw', (await client.getArtifact('a.txt')).artifact.id === raw.id, digestMismatch);
    say('deleted raw', (await client.deleteArtifact('a.txt', { findBy })).id === raw.id);
}
say('deleted', (await client.deleteArtifact('bin')).id === uploaded.id);
say('deleted is missing', await failure(client.downloadArtifact(uploaded.id)), await failure(client.downloadArtifact(uploaded.id, { findBy })));
const again = await client.uploadArtifact('bin', [files[0]], source, { retentionDays: 5 });
say('overwritten', again.id > uploaded.id);
await client.downloadArtifact(again.id, { path: join(out, 'again') });
say('missing', await failure(client.getArtifact('none')), await failure(client.getArtifact('none', { findBy })));
