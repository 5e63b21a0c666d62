"""What the forms of the portal do: the functions that the commands call."""

import os
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.rollout.going_back import switch_back
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.noted import Noting
from ft_platform.people.person import Person
from ft_platform.release import waivers
from ft_platform.release.delegations import delegate
from ft_platform.release.releasing import earlier_release, release, roll_back
from ft_platform.release.sign_off import publish_sign_off, sign_off
from ft_platform.release.signatures import APPROVED, REJECTED, Says
from ft_platform.release.signing import sign, withdraw
from ft_platform.release.waiving import waive
from ft_platform.reporting.sign_off_page import write_sign_off
from ft_platform.serving.trial import ask_conversation
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.annotate_acts import ANNOTATE_ACTS
from ft_platform.web.portal_pages.actions import ANNOTATE, ASK, RECALL, RELEASE, REVIEW, REVIEWS, ROLL_BACK, SIGN, WAIVE
from ft_platform.web.portal_pages.asking import Act, Asking, Form, View
from ft_platform.web.recall_acts import recall_acts
from ft_platform.web.review_acts import JUDGE, MANAGE

Digest = Callable[[Lake, NamedUseCase, ArtifactVersion], dict[str, Any]]


def _approve(asking: Asking, person: Person, view: View, form: Form) -> None:
    _say(APPROVED, asking, person, view, form)


def _reject(asking: Asking, person: Person, view: View, form: Form) -> None:
    _say(REJECTED, asking, person, view, form)


def _say(says: Says, asking: Asking, person: Person, view: View, form: Form) -> None:
    lake, use_case, permissions = asking[:3]
    assert view.decision
    who, role, reason = (person, permissions, _noting(asking)), form.get("role", ""), form.get("reason", "")
    sign(lake, use_case, view.decision, *who, says=says, role=role, reason=reason, shown=view.digests)
    _show(asking, view)


def _delegate(asking: Asking, person: Person, view: View, form: Form) -> None:
    lake, use_case, permissions = asking[:3]
    to = {"to": form.get("to", ""), "until": _day(form), "roles": [form.get("role", "")]}
    delegate(lake, use_case, view.checkpoint, person, permissions, _noting(asking), **to)


def _take_back(asking: Asking, person: Person, view: View, form: Form) -> None:
    lake, use_case, permissions = asking[:3]
    who = (person, permissions, _noting(asking))
    withdraw(lake, use_case, form.get("id", ""), *who, reason=form.get("reason", ""))
    _show(asking, view)


def _waive(asking: Asking, person: Person, view: View, form: Form) -> None:
    assert view.checkpoint
    words = {"granted_by": person, "reason": form.get("reason", ""), "until": _day(form)}
    waive(asking.lake, asking.use_case, view.checkpoint, view.rulings, form.get("rule", ""), **words)


def _confirm(asking: Asking, person: Person, _view: View, form: Form) -> None:
    waivers.confirm(asking.lake, asking.use_case, form.get("id", ""), person)


def _release(evidence_digest: Digest, asking: Asking, person: Person, view: View, form: Form) -> None:
    lake, use_case, permissions = asking[:3]
    assert view.decision and view.checkpoint
    words = {"by": person, "reason": form.get("reason", ""), "permissions": permissions}
    release(lake, use_case, view.decision, view.checkpoint, lambda one: evidence_digest(lake, use_case, one), **words)


def _roll_back(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> None:
    """The traffic first, within seconds; what follows compares."""
    of, words = (asking.lake, asking.use_case), {"reason": form.get("reason", ""), "by": person}
    earlier = earlier_release(*of, form.get("to", ""))
    switch_back(asking.lake, environment, asking.use_case, earlier, **words)
    roll_back(*of, earlier.id, **words)


def _ask(asking: Asking, _person: Person, view: View, form: Form) -> dict[str, Any]:
    """Asks our server as any client does, with the key that the use case's target names."""
    target, text = view.values["target"], form.get("text", "").strip()
    if target is None or not text:
        raise ConfigError(["there is no text" if target else f"no target of {asking.name} is our own server"])
    key = os.environ.get(target.api_key_env) if target.api_key_env else None
    has_labels = asking.use_case.settings.task.kind == "classification"
    return ask_conversation(target.url, asking.name, [{"role": "user", "content": text}], has_labels, key)


def acts(environment: Environment, evidence_digest: Digest) -> dict[str, dict[str, Act]]:
    """Page -> what its forms ask for -> what does it.

    Args:
        evidence_digest: as `reporting.evidence.pack.evidence_digest`.
    """
    sign_it, take_back = "may not sign a decision", f"may not {ACTIONS['take_back'].says}"
    return {
        SIGN: {
            "approve": Act(_approve, sign_it),
            "reject": Act(_reject, sign_it),
            "delegate": Act(_delegate, "may not delegate signing"),
            "take_back": Act(_take_back, "may not take back a signature"),
        },
        WAIVE: {
            "waive": Act(_waive, "may not waive a rule"),
            "confirm": Act(_confirm, "may not confirm a waiver"),
        },
        RELEASE: {"release": Act(partial(_release, evidence_digest), f"may not {ACTIONS['release'].says}")},
        ROLL_BACK: {"rollback": Act(partial(_roll_back, environment), take_back)},
        ANNOTATE: ANNOTATE_ACTS,
        RECALL: recall_acts(environment),
        ASK: {"ask": Act(_ask, f"may not {ACTIONS['ask'].says}", changes=False)},
        REVIEW: JUDGE,
        REVIEWS: MANAGE,
    }


def _noting(asking: Asking) -> Noting:
    """As `ft sign` notes it."""
    use_case = asking.use_case
    return audit_log_of(asking.lake, {use_case.name: use_case.path} if use_case.path else {})


def _show(asking: Asking, view: View) -> None:
    """Makes the artifact `sign_off` anew, so that what is done waits no more. The graph shows it later."""
    lake, use_case, permissions = asking[:3]
    assert view.decision and view.checkpoint
    found = sign_off(lake, use_case, view.decision, permissions)
    publish_sign_off(lake, use_case, view.decision, view.checkpoint, found, write_sign_off)


def _day(form: Form) -> date:
    try:
        return date.fromisoformat(form.get("until", ""))
    except ValueError:
        raise ConfigError(["the last day must be a day, as 2027-03-31"]) from None
