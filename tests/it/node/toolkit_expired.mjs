// What GitHub's toolkit makes of an artifact `bin` that has expired, and of its name.
//
// Usage: toolkit_expired.mjs MAJOR OUT_DIR SOURCE_DIR

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { client, failure, findBy, names, say } from './toolkit_client.mjs';

const [, out, source] = process.argv.slice(2);
assert(source, 'usage: toolkit_expired.mjs MAJOR OUT_DIR SOURCE_DIR');

say('listed', names(await client.listArtifacts()), await failure(client.getArtifact('bin')));
// Without a job it reads the REST API, which lists what has expired.
say('found', names(await client.listArtifacts({ findBy })));
const { id } = (await client.getArtifact('bin', { findBy })).artifact;
say('downloaded', await failure(client.downloadArtifact(id)), await failure(client.downloadArtifact(id, { findBy })));
await client.downloadArtifact(id, { findBy }).catch(({ message }) => say('says', message.startsWith('Artifact has expired')));
// A day more, because the server's clock is as far ahead as the first one was kept, and the toolkit's is not.
const next = await client.uploadArtifact('bin', [join(source, 'a.txt')], source, { retentionDays: 6 });
say('uploaded', next.id > id);
await client.downloadArtifact(next.id, { path: join(out, 'next') });
say('deleted', (await client.deleteArtifact('bin', { findBy })).id === next.id, names(await client.listArtifacts()));
