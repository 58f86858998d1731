// Uploads, lists, downloads, overwrites and deletes with GitHub's toolkit.
//
// Usage: toolkit.mjs MAJOR OUT_DIR SOURCE_DIR
//
// Reads the variables that the environment of a job holds, and READ_TOKEN for the calls without a job. Prints what
// it found; the caller compares the files in OUT_DIR with those in SOURCE_DIR.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [major, out, source] = process.argv.slice(2);
assert(source, 'usage: toolkit.mjs MAJOR OUT_DIR SOURCE_DIR');
const require = createRequire(join(process.env.ARTIGATE_TEST_TOOLKIT, 'node_modules', 'x.js'));
const location = major >= 6 ? join(process.env.ARTIGATE_TEST_TOOLKIT, 'node_modules/@actions/artifact/lib/artifact.js') : require.resolve('@actions/artifact');
const { DefaultArtifactClient } = await import(pathToFileURL(location).href);
const client = new DefaultArtifactClient();
const say = (...words) => console.log('>>', ...words.map((word) => JSON.stringify(word)));
const files = ['a.txt', 'dir/big.bin', 'dir/empty'].map((name) => join(source, name));
const [repositoryOwner, repositoryName] = process.env.GITHUB_REPOSITORY.split('/');
const findBy = { token: process.env.READ_TOKEN, workflowRunId: Number(process.env.GITHUB_RUN_ID), repositoryOwner, repositoryName };
const names = ({ artifacts }) => artifacts.map(({ name }) => name).sort();

const uploaded = await client.uploadArtifact('bin', files, source, { retentionDays: 5, compressionLevel: 0 });
say('size', uploaded.size > 20_000_000);
say('listed', names(await client.listArtifacts({ latest: true })));
say('got', (await client.getArtifact('bin')).artifact.id === uploaded.id);
await client.downloadArtifact(uploaded.id, { path: join(out, 'job') });
await client.downloadArtifact(uploaded.id, { path: join(out, 'rest'), findBy });
say('found', names(await client.listArtifacts({ findBy })));
say('found one', (await client.getArtifact('bin', { findBy })).artifact.id === uploaded.id);
await client.uploadArtifact('bin', files, source).catch(({ message }) => say('twice', /already exists on the workflow run/.test(message)));
if (major >= 6) {
    const raw = await client.uploadArtifact('ignored', [files[0]], source, { skipArchive: true });
    await client.downloadArtifact(raw.id, { path: join(out, 'raw') });
    say('raw', (await client.getArtifact('a.txt')).artifact.id === raw.id);
    say('deleted raw', (await client.deleteArtifact('a.txt', { findBy })).id === raw.id);
}
say('deleted', (await client.deleteArtifact('bin')).id === uploaded.id);
const again = await client.uploadArtifact('bin', [files[0]], source);
say('overwritten', again.id > uploaded.id);
await client.getArtifact('none').catch(({ name }) => say('missing', name));
