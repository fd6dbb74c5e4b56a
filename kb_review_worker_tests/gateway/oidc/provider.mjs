// An OpenID Connect provider on a loopback socket: panva's oidc-provider with its own pages, which let anybody in under any name.
//
//   node provider.mjs PORT REDIRECT_URI ROLE
//
// Everybody has the role, but for those whose name begins with "guest". Prints a line when it listens.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [port, redirectUri, role] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'kb-review', client_secret: 'a-secret-of-the-gateway', redirect_uris: [redirectUri] }],
  pkce: { required: () => true, methods: ['S256'] },
  claims: { openid: ['sub'], profile: ['name', 'roles'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['a-key-of-the-cookies'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Dr. ${id}`, roles: id.startsWith('guest') ? [] : [role] }),
  }),
  async loadExistingGrant(context) {
    const { session, client } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
});
createServer(provider.callback()).listen(Number(port), '127.0.0.1', () => console.log('listening'));
