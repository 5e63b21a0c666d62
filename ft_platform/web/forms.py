"""Forms that people send: only those of this server's own pages are read.

Covered: forms of other pages (origin, and a token in each form that is bound to the session, or before there is one to
a cookie), forms that are too large. Not covered: another program of the same host name that sets cookies of this one,
where there is no TLS."""

import hmac
import secrets
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import Receive

from ft_platform.people.identity.refused import Refused
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.web.guard import Refusal, Request, read_body, refused_headers, refused_origin
from ft_platform.web.visit import Visit

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS, MOST_BOXES = 20, 200
"""Different fields, and all that are sent: each word that somebody taps on a page is one of the same name."""


async def sent_form(visit: Visit, receive: Receive, hosts: Hosts) -> Visit:
    """The visit with the fields of its form.

    Args:
        hosts: names that pages with forms may be addressed by, besides the one of the request.

    Raises:
        Refused: it is no form, or that of a page of another origin.
    """
    connection = visit.connection
    asked = Request("http", "POST", "auth", connection.headers, connection.scope.get("server"))
    if refusal := refused_headers(asked, hosts) or refused_origin(asked, hosts):
        raise Refused(refusal.words, refusal.status, "a form of another page")
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(f"the body must be {FORM}", 415)
    body = await read_body(receive, asked)
    if isinstance(body, Refusal):
        raise Refused(body.words, body.status)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_BOXES)
    except ValueError:
        raise Refused("the form cannot be read", 400) from None
    form: dict[str, str] = {}
    for name, text in fields:  # boxes of one name, as `1,2`; no field that is checked has a comma
        form[name] = f"{form[name]},{text}" if name in form else text
    if len(form) > MOST_FIELDS:
        raise Refused("the form cannot be read", 400)
    return visit._replace(form=form)


def anchor_of(visit: Visit) -> str:
    """What the token of a form is bound to: the session, or before there is one a cookie; empty: there is none."""
    return visit.session_id or visit.cookie("form")


def new_anchor() -> str:
    return secrets.token_urlsafe(32)


def keep_anchor(visit: Visit, response: Response, anchor: str) -> None:
    """Gives a browser without session and cookie the cookie that the token of its form is bound to."""
    if not anchor_of(visit):
        visit.set_cookie(response, "form", anchor)


def form_token(anchor: str, form: str = "form") -> str:
    """The token of a form.

    Args:
        form: which one; a token of one is none of another.
    """
    return hmac.digest(anchor.encode(), form.encode(), "sha256").hex()


def require_own(visit: Visit, form: str = "form") -> None:
    """Returns if the form that was sent has its token.

    Raises:
        Refused: it has not.
    """
    anchor, given = anchor_of(visit), visit.form.get("token", "")
    if not anchor or not hmac.compare_digest(form_token(anchor, form).encode(), given.encode()):
        raise Refused("this form is out of date; open the page again", why="a form without its token")
