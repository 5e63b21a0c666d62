"""Sign-in at a provider: the right way works, and each lie of a provider, or of whoever stands between, is refused."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("authlib")
from ft_platform.people.identity.openid import KEYS_SECONDS, LOGOUT, Provider, SignedIn, Unavailable
from ft_platform.people.identity.refused import Refused
from ft_platform.use_case.settings.sign_in import OpenId
from ft_platform_tests.people.identity.hostile_provider import ANA, CLIENT, SECRET, HostileProvider, hostile_provider

BACK = "http://127.0.0.1:3000/auth/callback"


@pytest.fixture
def hostile() -> Iterator[HostileProvider]:
    with hostile_provider() as found:
        yield found


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


def provider_at(hostile: HostileProvider, clock: Clock | None = None, **settings: Any) -> Provider:
    made = OpenId.model_validate({"issuer": hostile.issuer, "client_id": CLIENT, **settings})
    return Provider(made, SECRET, clock or Clock())


def sign_in(hostile: HostileProvider, provider: Provider | None = None) -> SignedIn:
    provider = provider or provider_at(hostile)
    address, flow = provider.begin(BACK)
    return provider.finish(flow, hostile.signed_in(address), BACK)


def test_a_person_signs_in_and_has_the_groups_of_the_directory(hostile: HostileProvider) -> None:
    found = sign_in(hostile)
    assert (found.person.name, found.person.groups, found.person.known_by) == (
        "ana@example.org",
        frozenset({"claims"}),
        "openid",
    )
    assert found.subject == f"{hostile.issuer} person-1" and found.provider_session == f"{hostile.issuer} session-1"


def test_claims_of_the_id_token_are_enough(hostile: HostileProvider) -> None:
    hostile.id_token = ANA
    assert sign_in(hostile).person.name == "ana@example.org"
    assert "/userinfo" not in hostile.asked


def test_claims_may_have_other_names(hostile: HostileProvider) -> None:
    hostile.userinfo = {"sub": "person-1", "upn": "Ana@Example.org", "roles": ["claims", "audit"]}
    found = sign_in(hostile, provider_at(hostile, name_claim="upn", groups_claim="roles"))
    assert (found.person.name, found.person.groups) == ("ana@example.org", frozenset({"claims", "audit"}))


LIES: dict[str, dict[str, Any]] = {
    "the issuer is another": {"iss": "https://other.example.org"},
    "the issuer is missing": {"iss": None},
    "it is for another client": {"aud": "another-client"},
    "it is for this client and was given to another": {"aud": [CLIENT, "other"], "azp": "other"},
    "it is for two clients and does not say who got it": {"aud": [CLIENT, "other"]},
    "another client got it": {"azp": "other"},
    "the nonce is another": {"nonce": "another"},
    "the nonce is missing": {"nonce": None},
    "it has expired": {"exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200},
    "it never expires": {"exp": None},
    "it is of tomorrow": {"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 90_000},
    "it names nobody": {"sub": None},
    "it belongs to another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_is_refused_if(hostile: HostileProvider, lie: str) -> None:
    hostile.id_token = LIES[lie]
    with pytest.raises(Refused, match="cannot be trusted"):
        sign_in(hostile)


def test_an_id_token_without_a_signature_is_refused(hostile: HostileProvider) -> None:
    hostile.header = {"alg": "none"}
    with pytest.raises(Refused, match="cannot be trusted"):
        sign_in(hostile)


def test_the_public_key_is_not_taken_for_a_shared_secret(hostile: HostileProvider) -> None:
    hostile.header = {"alg": "HS256"}
    with pytest.raises(Refused, match="cannot be trusted"):
        sign_in(hostile)


def test_a_key_that_the_provider_does_not_show_is_refused_whatever_the_token_says(hostile: HostileProvider) -> None:
    own = hostile.new_key("first")
    for header in ({}, {"jwk": own.as_dict(private=False)}, {"jku": f"{hostile.issuer}/keys"}):
        hostile.header, hostile.signed_with = header, own
        with pytest.raises(Refused, match="cannot be trusted"):
            sign_in(hostile)


def test_a_new_key_of_the_provider_is_fetched_once(hostile: HostileProvider, clock: Clock) -> None:
    provider = provider_at(hostile, clock)
    sign_in(hostile, provider)
    hostile.keys = [hostile.new_key("second"), *hostile.keys]
    clock.ahead += KEYS_SECONDS + 1
    assert sign_in(hostile, provider).person.name == "ana@example.org"
    sign_in(hostile, provider)
    assert hostile.asked.count("/keys") == 2


def test_unknown_keys_make_the_server_ask_at_most_once_a_minute(hostile: HostileProvider, clock: Clock) -> None:
    provider = provider_at(hostile, clock)
    sign_in(hostile, provider)
    hostile.header = {"kid": "nobody's"}
    for _ in range(5):
        with pytest.raises(Refused, match="cannot be trusted"):
            sign_in(hostile, provider)
    assert hostile.asked.count("/keys") == 1
    clock.ahead += KEYS_SECONDS + 1
    for _ in range(5):
        with pytest.raises(Refused, match="cannot be trusted"):
            sign_in(hostile, provider)
    assert hostile.asked.count("/keys") == 2


def test_userinfo_of_another_person_is_refused(hostile: HostileProvider) -> None:
    hostile.userinfo = {**ANA, "sub": "person-2", "email": "admin@example.org"}
    with pytest.raises(Refused, match="cannot be trusted"):
        sign_in(hostile)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_nobody_has_verified_is_nobodys(hostile: HostileProvider, verified: Any) -> None:
    hostile.userinfo = {**ANA, "email_verified": verified}
    with pytest.raises(Refused, match="has not verified"):
        sign_in(hostile)


@pytest.mark.parametrize("email", [None, "", "ana", "token:nightly", "ana@ﬁrm.org", "a@b.org\nc", ["a@b.org"], 5])
def test_a_name_that_is_no_address_is_refused(hostile: HostileProvider, email: Any) -> None:
    hostile.userinfo = {**ANA, "email": email}
    with pytest.raises(Refused, match="no e-mail address"):
        sign_in(hostile)


@pytest.mark.parametrize("groups", ["claims", [5], ["a\nb"], {"claims": True}])
def test_groups_that_are_no_list_of_names_are_refused(hostile: HostileProvider, groups: Any) -> None:
    hostile.userinfo = {**ANA, "groups": groups}
    with pytest.raises(Refused, match="groups as a list of names"):
        sign_in(hostile)


def test_groups_that_the_provider_keeps_elsewhere_are_not_taken_for_none(hostile: HostileProvider) -> None:
    """As Entra ID does for persons in more than 200 groups."""
    hostile.userinfo = {name: value for name, value in ANA.items() if name != "groups"}
    hostile.id_token = {"_claim_names": {"groups": "src1"}}
    with pytest.raises(Refused, match="groups as a list of names"):
        sign_in(hostile)


def test_a_code_counts_once_and_for_the_browser_that_asked(hostile: HostileProvider) -> None:
    provider = provider_at(hostile)
    address, flow = provider.begin(BACK)
    answer = hostile.signed_in(address)
    provider.finish(flow, answer, BACK)
    with pytest.raises(Refused, match="did not sign you in"):
        provider.finish(flow, answer, BACK)
    address, flow = provider.begin(BACK)
    _, others = provider.begin(BACK)
    stolen = hostile.signed_in(address)
    with pytest.raises(Refused, match="did not sign you in"):  # the provider sees another verifier
        provider.finish(others, stolen, BACK)


def test_an_answer_of_another_provider_is_refused(hostile: HostileProvider) -> None:
    """RFC 9207: mix-up attacks."""
    provider = provider_at(hostile)
    address, flow = provider.begin(BACK)
    with pytest.raises(Refused, match="cannot be trusted"):
        provider.finish(flow, {**hostile.signed_in(address), "iss": "https://evil.example"}, BACK)
    hostile.metadata = {"authorization_response_iss_parameter_supported": True}
    provider = provider_at(hostile)
    address, flow = provider.begin(BACK)
    answer = hostile.signed_in(address)
    with pytest.raises(Refused, match="cannot be trusted"):
        provider.finish(flow, answer, BACK)
    assert provider.finish(flow, {**answer, "iss": hostile.issuer}, BACK)


@pytest.mark.parametrize("answer", [{"error": "access_denied"}, {}, {"error": "x", "code": "y"}])
def test_a_no_is_a_no(hostile: HostileProvider, answer: dict) -> None:
    provider = provider_at(hostile)
    _, flow = provider.begin(BACK)
    with pytest.raises(Refused, match="did not sign you in"):
        provider.finish(flow, answer, BACK)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example.org"},
        {"token_endpoint": "http://elsewhere.example.org/token"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "http://elsewhere.example.org/userinfo"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_not_used(hostile: HostileProvider, metadata: dict) -> None:
    hostile.metadata = metadata
    with pytest.raises(Unavailable) as refused:
        provider_at(hostile).begin(BACK)
    assert refused.value.status == 502


def test_a_provider_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Provider(OpenId(issuer="http://127.0.0.1:9", client_id=CLIENT), SECRET).begin(BACK)


def logout_claims(**claims: Any) -> dict[str, Any]:
    return {"sub": "person-1", "sid": "session-1", "jti": "one", "events": {LOGOUT: {}}, **claims}


def test_the_provider_signs_somebody_out(hostile: HostileProvider) -> None:
    issuer = hostile.issuer
    told = provider_at(hostile).ended(hostile.token(**logout_claims()))
    assert told == (f"{issuer} person-1", f"{issuer} session-1", "one")


LOGOUT_LIES: dict[str, dict[str, Any]] = {
    "the issuer is another": {"iss": "https://other.example.org"},
    "it is for another client": {"aud": "another"},
    "it has expired": {"exp": int(time.time()) - 3600},
    "it never expires": {"exp": None},
    "it does not say what it is": {"events": None},
    "it is for another event": {"events": {"another": {}}},
    "its events are a list": {"events": [LOGOUT]},
    "it has a nonce, as ID tokens have": {"nonce": "one"},
    "it has no id": {"jti": None},
    "it has no time": {"iat": None},
    "it names nobody": {"sub": None, "sid": None},
}


@pytest.mark.parametrize("lie", LOGOUT_LIES)
def test_a_logout_token_is_refused_if(hostile: HostileProvider, lie: str) -> None:
    with pytest.raises(Refused):
        provider_at(hostile).ended(hostile.token(**logout_claims(**LOGOUT_LIES[lie])))


def test_a_logout_token_of_somebody_else_is_refused(hostile: HostileProvider) -> None:
    hostile.signed_with = hostile.new_key("first")
    with pytest.raises(Refused):
        provider_at(hostile).ended(hostile.token(**logout_claims()))
    hostile.header = {"alg": "none"}
    with pytest.raises(Refused):
        provider_at(hostile).ended(hostile.token(**logout_claims()))


def test_no_refusal_quotes_what_was_sent(hostile: HostileProvider) -> None:
    hostile.id_token = {"iss": "https://quoted.example.org", "email": "quoted@example.org"}
    with pytest.raises(Refused) as refused:
        sign_in(hostile)
    assert "quoted" not in f"{refused.value} {refused.value.why} {refused.value.__cause__}"
