// A certified provider of OpenID Connect with two persons and any password.
//   node provider.mjs PORT ADDRESS_OF_THE_UI, in a folder with node_modules/oidc-provider
import Provider from 'oidc-provider';

const [port, ui] = [+process.argv[2], process.argv[3]];
const people = {
  ana: { email: 'ana@example.org', email_verified: true, groups: ['claims'] },
  eve: { email: 'eve@example.org', email_verified: false, groups: [] },
};
const client = {
  client_id: 'ft-platform',
  client_secret: 'the secret of the client',
  redirect_uris: [`${ui}/auth/callback`],
  backchannel_logout_uri: `${ui}/auth/back-channel-logout`,
  backchannel_logout_session_required: true,
  grant_types: ['authorization_code'],
  response_types: ['code'],
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'email', 'groups'],
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ['of this test'] },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  // Its own dispatcher reaches no address of this machine.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  pkce: { required: () => true },
});
provider.on('backchannel.error', (context, error) => console.log('logout not delivered', error.message, error.cause?.code ?? error.cause?.message));
provider.listen(port, '127.0.0.1', () => console.log('listening'));
