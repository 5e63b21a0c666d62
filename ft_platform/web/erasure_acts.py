"""What the forms of the pages for erasures and for what is held on a person do: the functions that the commands call.

Whom they are about comes in the body of a form and goes out in its answer, which no browser keeps; it is never part of
an address, a title, a log or an entry of the audit log."""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from io import BytesIO
from typing import Any

from ft_platform.erasure.disclosure import NothingHeld, disclose
from ft_platform.erasure.executing import STEPS
from ft_platform.erasure.planning import named_in, planned
from ft_platform.erasure.requests import ask, asked_for, decide
from ft_platform.errors import ConfigError, DataError
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.release.erasures import APPROVED, Request, request_named
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.actions import DISCLOSE, ERASE
from ft_platform.web.portal_pages.asking import Act, Asking, Download, Form, View


def erasure_acts(environment: Environment) -> dict[str, dict[str, Act]]:
    """Page -> what its forms ask for -> what does it."""

    def act(do: Callable[..., Any], denial: str, **words: bool) -> Act:
        return Act(partial(do, environment), denial, **words)

    asks, erases = f"may not {ACTIONS['ask_for_erasure'].says}", f"may not {ACTIONS['erase'].says}"
    return {
        ERASE: {
            "plan": act(_plan, asks, changes=False),
            "ask_erasure": act(_ask, asks, follows=False),
            "look": act(_look, erases, changes=False),
            "approve_erasure": act(_approve, erases),
            "refuse_erasure": act(_refuse, erases, follows=False),
            "carry_out": act(_carry_out, erases),
            "certificate": act(_certificate, "", changes=False),
        },
        DISCLOSE: {"disclose": act(_disclose, f"may not {ACTIONS['disclose'].says}", changes=False)},
    }


def _plan(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> dict[str, Any]:
    """What an erasure would touch, before anything is asked for."""
    ids, texts = named_in(form.get("ids", "")), named_in(form.get("texts", ""))
    if not ids and not texts:
        raise ConfigError(["the id of a person, or a text, is needed"])
    note(asking.lake, asking.use_case, "look_up", "looked at what an erasure would touch", person)
    return _told(environment, asking, ids, texts) | {"request": ""}


def _ask(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> None:
    today = datetime.now(UTC).date()
    ask(
        asking.lake,
        environment,
        asking.use_case,
        asking.permissions,
        person,
        named_in(form.get("ids", "")),
        named_in(form.get("texts", "")),
        reason=form.get("reason", ""),
        received=_day(form.get("received", "")),
        today=today,
        measure_weights=form.get("measure") == "yes",
    )


def _look(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> dict[str, Any]:
    """Whom a request is about and what it would touch, for whoever decides on it."""
    request = _named(asking, form)
    if not request.is_open:
        raise DataError(f"{request.id} {request.state}, so nobody knows any more whom it was about")
    case = asked_for(asking.lake, environment, asking.use_case, request)
    about = {"request": request.id}
    note(asking.lake, asking.use_case, "look_up", "looked at whom an erasure is about", person, **about)
    told = _told(environment, asking, case.asked, case.texts)
    return told | about | {"done": len(case.steps), "steps": len(STEPS)}


def _told(environment: Environment, asking: Asking, ids: list[str], texts: list[str]) -> dict[str, Any]:
    plan = planned(asking.lake, environment, asking.use_case, ids, texts)
    return {"plan": asdict(plan), "nothing": plan.finds_nothing, "ids": ids, "texts": texts}


def _approve(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> None:
    _decide(asking, person, form, approved=True)


def _refuse(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> None:
    _decide(asking, person, form, approved=False)


def _decide(asking: Asking, person: Person, form: Form, *, approved: bool) -> None:
    lake, use_case, permissions = asking.lake, asking.use_case, asking.permissions
    said: dict[str, Any] = {"approved": approved, "reason": "" if approved else form.get("reason", "")}
    decide(lake, use_case, permissions, person, form.get("id", ""), **said)


def _carry_out(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> None:
    """Notes who wants it; `orchestration.erasures` does it, in a process of its own."""
    request = _named(asking, form)
    if request.state != APPROVED:
        raise DataError(f"{request.id} {request.state}, so there is nothing to carry out")
    note(asking.lake, asking.use_case, "erasure", "asked to carry out an erasure", person, request=request.id)


def _certificate(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> Download:
    request = _named(asking, form)
    if request.certificate is None:
        raise DataError(f"{request.id} has no certificate: it {request.state}")
    content = json.dumps(request.certificate_now, indent=1, ensure_ascii=False).encode()
    return Download(f"{request.certificate['id']}.json", "application/json", content)


def _disclose(
    environment: Environment, asking: Asking, person: Person, _view: View, form: Form
) -> Download | dict[str, Any]:
    """What is held on somebody, as one file. It is made in the restricted zone, and nothing is left there. Where nobody
    has the id there is no file, and ids that are written almost so are shown."""
    lake, use_case, permissions = asking.lake, asking.use_case, asking.permissions
    ids, content = named_in(form.get("ids", "")), BytesIO()
    if not ids:
        raise ConfigError(["the id of a person is needed"])
    with lake.scratch(use_case.name, "disclosure", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        try:
            disclose(lake, environment, [use_case], permissions, person, ids, folder / "held")
        except NothingHeld as nothing:
            return {"near": nothing.near, "why": nothing.message}
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / "held").rglob("*.json*")):
                archive.write(path, path.relative_to(folder))
    return Download(f"held-{use_case.name}.zip", "application/zip", content.getvalue())


def _named(asking: Asking, form: Mapping[str, str]) -> Request:
    return request_named(asking.lake, asking.use_case, form.get("id", ""))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(["the day on which the person asked must be a day, as 2027-03-31"]) from None
