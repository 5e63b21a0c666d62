"""A provider that does what OpenID Connect wants, until a test makes it lie."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "ft-platform", "the secret of the client"
ANA = {"sub": "person-1", "email": "ana@example.org", "email_verified": True, "groups": ["claims"]}


@cache
def first_key() -> RSAKey:
    return HostileProvider.new_key("first")


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


class HostileProvider:
    """Attributes:
    id_token: claims that are put over the right ones; None takes one away.
    header, signed_with: of the ID token. With `HS256` the public key is the shared secret.
    userinfo: what the endpoint of this name answers.
    metadata: put over what it says about itself.
    keys: those that it shows; the first one signs.
    asked: paths of requests, in order.
    """

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.keys = [first_key()]
        self.id_token: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.signed_with: RSAKey | None = None
        self.userinfo: dict[str, Any] = dict(ANA)
        self.metadata: dict[str, Any] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    @staticmethod
    def new_key(kid: str) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})

    def signed_in(self, address: str) -> dict[str, str]:
        """What a browser comes back with after somebody has signed in at the address that it was sent to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, **claims: Any) -> str:
        """A token of this provider; `None` takes a claim away."""
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, **claims}
        made = {name: value for name, value in right.items() if value is not None}
        header = {"alg": "RS256", "kid": self.keys[0].kid, **self.header}
        if header["alg"] in ("none", "HS256"):  # by hand: the library would not do it
            text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, made))
            signature = hmac.digest(self.keys[0].as_pem(private=False), text.encode(), "sha256")
            return f"{text}.{_encoded(signature) if header['alg'] == 'HS256' else ''}"
        return jwt.encode(header, made, self.signed_with or self.keys[0], ["RS256"])

    def answer(self, path: str, form: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if path.startswith("/.well-known"):
            found = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
            found |= {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.metadata}
            return 200, {"userinfo_endpoint": f"{self.issuer}/userinfo", **found}
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        if path == "/userinfo":
            return (200, self.userinfo) if authorization == "Bearer access" else (401, {})
        asked = self._codes.pop(form["code"][0], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        same = asked and asked["code_challenge"] == base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if not asked or not same or authorization != f"Basic {basic}":
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != [asked["redirect_uri"]]:
            return 400, {"error": "invalid_grant"}
        token = self.token(**{"nonce": asked["nonce"], "sub": ANA["sub"], "sid": "session-1", **self.id_token})
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}


@contextmanager
def hostile_provider() -> Iterator[HostileProvider]:
    """A provider that listens on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _answer(self, form: dict[str, list[str]]) -> None:
            status, body = provider.answer(self.path, form, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = HostileProvider(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield provider
        finally:
            server.shutdown()
