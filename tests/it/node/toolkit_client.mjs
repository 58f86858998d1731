// GitHub's toolkit in one version: its client, and what both of its stories use.
//
// Reads ARTIGATE_TEST_TOOLKIT, the variables that the environment of a job holds, and READ_TOKEN for the calls without
// a job.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = join(process.env.ARTIGATE_TEST_TOOLKIT, 'node_modules');
const require = createRequire(join(folder, 'x.js'));
// The newest one is a module that `require` does not find.
const location = process.argv[2] >= 6 ? join(folder, '@actions/artifact/lib/artifact.js') : require.resolve('@actions/artifact');
const { DefaultArtifactClient } = await import(pathToFileURL(location).href);
const [repositoryOwner, repositoryName] = process.env.GITHUB_REPOSITORY.split('/');

export const client = new DefaultArtifactClient();
export const findBy = { token: process.env.READ_TOKEN, workflowRunId: Number(process.env.GITHUB_RUN_ID), repositoryOwner, repositoryName };
export const say = (...words) => console.log('>>', ...words.map((word) => JSON.stringify(word)));
export const names = ({ artifacts }) => artifacts.map(({ name }) => name).sort();
// How a call fails: the status of an answer, or else the name of the error.
export const failure = (call) => call.then(() => 'none', ({ status, name }) => status ?? name);
