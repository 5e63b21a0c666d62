"""Sign-in at a provider that speaks OpenID Connect: authorization code with PKCE, as OpenID Connect Core 1.0 and OAuth
2.0 Security Best Current Practice (RFC 9700) want it.

Covered: ID tokens of another issuer, for another client, for another sign-in (nonce), expired, unsigned, or signed with
a shared secret or an unknown key; a code or state that is used twice or by another browser; answers of another provider
(RFC 9207); userinfo of another person; e-mail addresses that nobody has verified; new keys of the provider, which are
fetched at most once a minute; logout by the provider (Back-Channel Logout 1.0). Not covered: a provider that lies.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.claims import JWTClaims
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from ft_platform.people.identity.names import email_of, groups_of
from ft_platform.people.identity.refused import Refused
from ft_platform.people.person import Person
from ft_platform.use_case.settings.hosts import is_loopback
from ft_platform.use_case.settings.sign_in import OpenId

TIMEOUT_SECONDS = 10
METADATA_SECONDS = 3600
KEYS_SECONDS = 60
"""Between two times that keys are fetched, however many unknown ones are named."""
LEEWAY_SECONDS = 60
"""By which clocks may differ."""
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Those with a key that the provider alone has; never `none`, and none with a shared secret."""
UNTRUSTED = "what the provider of your organization sent cannot be trusted"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class Unavailable(Refused):
    """The provider does not answer, or not as a provider does."""

    def __init__(self, why: str) -> None:
        super().__init__("the provider of your organization does not answer as expected", 502, why, "login")


@dataclass(frozen=True)
class Flow:
    """One sign-in that was begun.

    Attributes:
        state: comes back with the answer.
        nonce: comes back in the ID token.
        verifier: proves to the provider that the answer is for whoever asked (PKCE).
    """

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class SignedIn:
    """Who signed in. Attributes as of `Session`."""

    person: Person
    subject: str
    provider_session: str


class Provider:
    """A provider, and what it says about itself.

    Args:
        secret: of the client.
        clock: seconds since 1970.
    """

    def __init__(self, settings: OpenId, secret: str, clock: Callable[[], float] = time.time) -> None:
        self.settings, self._secret, self._clock = settings, secret, clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def begin(self, redirect_uri: str) -> tuple[str, Flow]:
        """Where the browser goes, and what is kept until it comes back.

        Raises:
            Unavailable: the provider does not answer.
        """
        flow = Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        client = OAuth2Client(None, self.settings.client_id, code_challenge_method="S256")
        address, _ = client.create_authorization_url(
            self.metadata()["authorization_endpoint"],
            flow.state,
            flow.verifier,
            redirect_uri=redirect_uri,
            scope=" ".join(self.settings.scopes),
            nonce=flow.nonce,
        )
        return address, flow

    def finish(self, flow: Flow, answer: Mapping[str, str], redirect_uri: str) -> SignedIn:
        """Who signed in.

        Args:
            answer: parameters that the browser came back with.

        Raises:
            Refused: the provider says no, or what came back is not its answer to this flow.
        """
        if "error" in answer or "code" not in answer:
            raise Refused("the provider of your organization did not sign you in", 403, "the provider says no", "login")
        metadata = self.metadata()
        needs_issuer = metadata.get("authorization_response_iss_parameter_supported") is True
        if answer.get("iss", None if needs_issuer else metadata["issuer"]) != metadata["issuer"]:
            raise Refused(UNTRUSTED, 403, "the answer is of another provider", "login")
        tokens = self._tokens(answer["code"], flow.verifier, redirect_uri)
        claims = self._claims(
            tokens.get("id_token"),
            CodeIDToken,
            {"nonce": flow.nonce, "client_id": self.settings.client_id, "access_token": tokens.get("access_token")},
        )
        if len({self.settings.name_claim, self.settings.groups_claim} & set(claims)) < 2:
            claims |= self._more(tokens.get("access_token"), str(claims["sub"]), metadata)
        subject, session = self._subject(claims)
        return SignedIn(self._person(claims), subject, session)

    def ended(self, logout_token: str) -> tuple[str, str, str]:
        """Subject, session and id of a logout token: Back-Channel Logout 1.0, 2.6.

        Raises:
            Refused: it is none of this provider for this client.
        """
        claims = self._claims(logout_token, JWTClaims, {}, {"iat": {"essential": True}, "jti": {"essential": True}})
        events = claims.get("events")
        if (
            not isinstance(events, dict)
            or LOGOUT not in events
            or "nonce" in claims
            or not {"sub", "sid"} & set(claims)
        ):
            raise Refused("this is not a logout token", 400, "a logout token that is none")
        return *self._subject(claims), str(claims["jti"])

    def _subject(self, claims: Mapping[str, Any]) -> tuple[str, str]:
        issuer = self.settings.issuer
        return tuple(f"{issuer} {claims[name]}" if claims.get(name) else "" for name in ("sub", "sid"))  # type: ignore[return-value]

    def metadata(self) -> dict[str, Any]:
        """What the provider says about itself.

        Raises:
            Unavailable: it does not answer, or names itself differently.
        """
        with self._lock:
            if self._metadata and self._metadata[0] > self._clock() - METADATA_SECONDS:
                return self._metadata[1]
            found = self._get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.settings.issuer:
                raise Unavailable("the provider names itself differently than sign_in.openid.issuer")
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            endpoints = [found.get(name) for name in (*wanted, *({"userinfo_endpoint"} & set(found)))]
            if not all(isinstance(one, str) and _is_safe(one) for one in endpoints):
                raise Unavailable("an address of the provider is missing or not encrypted")
            self._metadata = (self._clock(), found)
            return found

    def _key_set(self, metadata: Mapping[str, Any], again: bool = False) -> KeySet:
        """Keys of the provider; `again`: a key is not among them."""
        with self._lock:
            if self._keys and (not again or self._keys[0] > self._clock() - KEYS_SECONDS):
                return self._keys[1]
            try:
                found = KeySet.import_key_set(self._get(metadata["jwks_uri"]))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise Unavailable(f"the keys of the provider cannot be read ({type(error).__name__})") from None
            self._keys = (self._clock(), found)
            return found

    def _claims(
        self, token: Any, kind: Any, params: dict[str, Any], options: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a token says, once it is sure that the provider says it, to this client, and still.

        Raises:
            Refused: it is not sure.
        """
        metadata = self.metadata()
        rules = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        wanted = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self.settings.client_id},
            "exp": {"essential": True},
            **(options or {}),
        }
        try:
            try:
                found = jwt.decode(str(token), self._key_set(metadata), registry=rules)
            except InvalidKeyIdError:
                found = jwt.decode(str(token), self._key_set(metadata, again=True), registry=rules)
            claims = kind(found.claims, found.header, wanted, params)
            claims.validate(int(self._clock()), LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            why = f"a token of the provider is refused: {type(error).__name__}"
            raise Refused(UNTRUSTED, 403, why, "login") from None
        return dict(claims)

    def _tokens(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """What the provider gives for a code."""
        metadata = self.metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(self.settings.client_id, self._secret, method)
        address, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        return self._asked("POST", address, headers=headers, content=body)

    def _more(self, access_token: Any, subject: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider says about the person besides the ID token: OpenID Connect Core 1.0, 5.3."""
        if not isinstance(access_token, str) or "userinfo_endpoint" not in metadata:
            return {}
        found = self._get(metadata["userinfo_endpoint"], {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise Refused(UNTRUSTED, 403, "userinfo is of another person", "login")
        return {name: found[name] for name in (*self._names, "email_verified") if name in found}

    @property
    def _names(self) -> tuple[str, str]:
        return self.settings.name_claim, self.settings.groups_claim

    def _person(self, claims: Mapping[str, Any]) -> Person:
        name_claim, groups_claim = self._names
        name, groups = email_of(claims.get(name_claim)), groups_of(claims.get(groups_claim, []))
        problem = ""
        if name is None:
            problem = f"sends no e-mail address as {name_claim}"
        elif name_claim == "email" and claims.get("email_verified") is not True:
            problem = "has not verified your e-mail address"
        elif groups is None or groups_claim in (claims.get("_claim_names") or ()):
            problem = "does not send your groups as a list of names"
        if name is None or groups is None or problem:
            raise Refused(f"the provider of your organization {problem}", 403, f"the provider {problem}", "login")
        return Person(name, groups, "openid")

    def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._asked("GET", address, headers=headers)

    def _asked(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        try:
            answer = httpx2.request(method, address, timeout=TIMEOUT_SECONDS, follow_redirects=False, **more)
            if answer.status_code in (400, 401):
                why = f"the provider refuses with status {answer.status_code}"
                raise Refused("the provider of your organization did not sign you in", 403, why, "login")
            found = answer.json() if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError) as error:
            raise Unavailable(f"the provider cannot be asked ({type(error).__name__})") from None
        if not isinstance(found, dict):
            raise Unavailable(f"the provider answers with status {answer.status_code}")
        return found


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
