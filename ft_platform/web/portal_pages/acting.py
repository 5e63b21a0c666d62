"""Pages where a person acts on what waits: what is decided on, then the forms that this person may send.

What a form is about has a digest (`View.shown`). It is sent with the form, and an action on something else than what
was shown is refused. Covered: what the forms of this person are about. What others do beside them, as a signature in
another role, changes nothing there."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from ft_platform.lake.deployments import deployments
from ft_platform.lake.releases import Release, releases
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.deciders import deciders
from ft_platform.people.may import conflict, knowledge_problem
from ft_platform.release.decide import FILE, STAGE, newest_evidence, the_checkpoint
from ft_platform.release.delegations import LONGEST_DAYS, delegations
from ft_platform.release.separation import acted
from ft_platform.release.sign_off import REJECTED as IS_REJECTED
from ft_platform.release.sign_off import SIGNED, checkpoint_of, digests_of, sign_off
from ft_platform.release.signatures import REJECTED, Digests, signatures
from ft_platform.release.signing import may_sign
from ft_platform.release.standing import ACCEPTED, Standing
from ft_platform.release.standing_now import standing_now
from ft_platform.release.waiver_persons import owner_problem, role_of, who_may_waive
from ft_platform.release.waivers import in_force, is_second, longest_days, second_persons, unconfirmed, waivers
from ft_platform.release.waiving import rulings_today
from ft_platform.reporting.html import page
from ft_platform.reporting.published import portal_address
from ft_platform.use_case.settings.roles import title
from ft_platform.use_case.settings.serving_targets import LocalTarget
from ft_platform.web.portal_pages.actions import (
    ANNOTATE,
    ASK,
    DISCLOSE,
    ERASE,
    RECALL,
    RELEASE,
    REVIEW,
    REVIEWS,
    ROLL_BACK,
    SIGN,
    TITLES,
    WAIVE,
)
from ft_platform.web.portal_pages.annotate_page import annotate_view
from ft_platform.web.portal_pages.asking import Asking, View
from ft_platform.web.portal_pages.erasure_view import disclose_view, erase_view
from ft_platform.web.portal_pages.recall_page import recall_view
from ft_platform.web.portal_pages.review_views import review_view, reviews_view

COMMANDS = {
    SIGN: "ft sign {} --by E-MAIL",
    WAIVE: "ft waiver grant {} --rule RULE --by E-MAIL --until DAY --reason TEXT",
    RELEASE: "ft release {} --by E-MAIL",
    ROLL_BACK: "ft rollback {} --reason TEXT --by E-MAIL",
    ASK: "ft ask {} TEXT",
    REVIEW: "ft review export {} --out FOLDER",
    REVIEWS: "ft review status {}",
    ANNOTATE: "ft annotate export {} --out FOLDER",
    RECALL: "ft privacy sample {}",
    ERASE: "ft erase request {} - --reason TEXT --by E-MAIL",
    DISCLOSE: "ft subject export {} - --out FOLDER --by E-MAIL",
}
"""Page -> the command that does the same."""


def view_of(name: str, asking: Asking) -> View:
    """What a page shows now.

    Args:
        name: of `TITLES`.

    Raises:
        FtError: something of it cannot be read, or was altered.
    """
    return VIEWS[name](asking._replace(lake=Snapshot(asking.lake)))


def page_for(
    name: str,
    asking: Asking,
    view: View,
    token: str,
    problem: str = "",
    sent: Mapping[str, str] | None = None,
    found: Mapping[str, Any] | None = None,
    account: str = "auth/account",
) -> str:
    """The page with the forms of a person.

    Args:
        token: of its forms.
        problem: why what was sent was not done.
        sent: fields of that form.
        found: what was answered to it.
        account: address of the page of the account, from there.
    """
    today = datetime.now(UTC).date()
    return page(
        f"portal_{name}.html",
        title=f"{TITLES[name]}: {asking.name.replace('_', ' ')}",
        here=name,
        use_case=asking.name,
        person=asking.person,
        account=account,
        command=COMMANDS[name].format(asking.name),
        token=token,
        shown=view.shown,
        problem=problem,
        sent=sent or {},
        found=found,
        today=today.isoformat(),
        title_of=title,
        **view.values,
    )


def sign_view(asking: Asking) -> View:
    """The newest decision, who has signed it, and what the person may say to it."""
    lake, use_case, permissions, person = asking[:4]
    decision = _newest_decision(asking)
    if decision is None:
        return View({"decided": None})
    found, standing = sign_off(lake, use_case, decision, permissions), _standing(asking, decision)
    own = [one for one in releases(lake, asking.name) if one.record["decision"]["id"] == decision.id]
    checkpoint, digests = checkpoint_of(lake, decision), digests_of(lake, use_case, decision)
    states = {one.role: one.state for one in found.roles}
    values: dict[str, Any] = {"decided": _decided(asking, decision, digests), "roles": found.roles}
    values |= {"lacking": found.lacking, "accepted": standing.state == ACCEPTED}
    values |= {"released_as": next((one.id for one in own if not one.withdrawn), "")}
    values |= {"approve": [], "reject": [], "delegate": [], "take_back": [], "why_not": "", "why_not_approve": ""}
    last = datetime.now(UTC).date() + timedelta(days=LONGEST_DAYS)
    values |= {"last_day": last.isoformat()}
    about: dict[str, Any] = {"digests": asdict(digests), "standing": standing.words}
    if person is None or not values["accepted"]:
        return View(values, about, decision, checkpoint, digests)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    who = (lake, use_case, checkpoint, person, permissions, moment)
    roles, why_not_approve = may_sign(*who)
    _, why_not = may_sign(*who, says=REJECTED)
    given = [(one, stated) for one, stated in signatures(lake, use_case) if one.role in roles]
    passed_on = [one for one in delegations(lake, use_case).values() if one.said["role"] in roles]
    roles_left = [] if why_not else [role for role in roles if states[role] != IS_REJECTED]
    values |= {
        "why_not": why_not,
        "why_not_approve": "" if why_not else why_not_approve,
        "approve": [] if why_not_approve else [role for role in roles_left if states[role] != SIGNED],
        "reject": roles_left,
        "delegate": [] if why_not else [role for role, delegation in roles.items() if not delegation],
        "take_back": [
            *(
                (one.id, f"{one.person} {one.says} {one.decision} as {title(one.role)} on {one.at[:10]}")
                for one, stated in given
                if stated.taken_back is None and one.decision == decision.id
            ),
            *(
                (one.said["id"], f"{one.said['to']} may sign as {title(one.said['role'])} until {one.said['until']}")
                for one in passed_on
                if one.taken_back is None and one.said["until"] >= moment[:10]
            ),
        ],
    }
    no_own_role = "" if values["delegate"] else f"{person.name} has no role of their own here to pass on"
    may_not = {"approve": why_not_approve, "reject": why_not, "take_back": why_not, "delegate": why_not or no_own_role}
    about["said"] = [
        *([one.id, bool(stated.taken_back)] for one, stated in given),
        *([one.said["id"], bool(one.taken_back)] for one in passed_on),
    ]
    return View(values, about, decision, checkpoint, digests, may_not=may_not)


def waive_view(asking: Asking) -> View:
    """The rules that the newest checkpoint breaks today, and waivers that wait for a second person."""
    lake, use_case, permissions, person = asking[:4]
    today = datetime.now(UTC).date()
    if not lake.artifacts(asking.name, "adapter_checkpoint"):
        return View({"checkpoint": None})
    checkpoint = the_checkpoint(lake, use_case)
    rulings, force = rulings_today(lake, use_case, checkpoint), in_force(lake, use_case, checkpoint, today)
    broken = [one for one in rulings.values() if not one.passed]
    waiting = unconfirmed(lake, use_case, today)
    mine, confirms = [], []
    may_not: dict[str, str] = {}
    why_not = knowledge_problem(use_case, person.known_by) if person else ""
    if person and not why_not:
        why_not = conflict(person, "waive", acted(lake, use_case, checkpoint))
    if person and not why_not:
        own = [one for one in broken if one.waivable and who_may_waive(use_case, one.rule, person)]
        mine = [one for one in own if one.rule not in force]
        seconds = {one.id: second_persons(one, use_case) for one in waiting}
        confirms = [one for one in waiting if is_second(one, use_case, person)]
        others = [owner_problem(use_case, one.rule, person.name) for one in broken if one.waivable]
        second = [f"{waiver} waits for {', '.join(sorted(who))}" for waiver, who in seconds.items()]
        may_not = {"waive": "" if own else "; ".join(others), "confirm": "" if confirms else "; ".join(second)}
    elif why_not:
        may_not = {"waive": why_not, "confirm": why_not}
    decision, evidence = _newest_decision(asking), _evidence(asking, checkpoint)
    values = {
        "checkpoint": checkpoint.artifact_id,
        "brief": portal_address(asking.lake, decision),
        "broken": [
            {
                **one.to_dict(),
                "waiver": force.get(one.rule),
                "role": title(role_of(one.rule)),
                "persons": deciders(role_of(one.rule), use_case, permissions.people),
            }
            for one in broken
        ],
        "evidence": evidence,
        "digest": checkpoint.content_hash,
        "waiting": waiting,
        "mine": [one.rule for one in mine],
        "confirms": [one.id for one in confirms],
        "why_not": why_not,
        "last_day": (today + timedelta(days=longest_days(use_case))).isoformat(),
    }
    rules = {one.rule for one in mine}
    about = {
        "checkpoint": checkpoint.content_hash,
        "evidence": {one["title"]: one["digest"] for one in evidence},
        "rules": [one.to_dict() for one in mine],
        "waivers": [[one.id, revoked] for one, revoked in waivers(lake, use_case) if one.rule in rules],
        "confirms": [one.id for one in confirms],
    }
    return View(values, about, decision, checkpoint, rulings=rulings, may_not=may_not)


def release_view(asking: Asking) -> View:
    """The newest decision, what lacks for a release of it, and what is released now."""
    lake, use_case, permissions, person = asking[:4]
    decision = _newest_decision(asking)
    if decision is None:
        return View({"decided": None})
    digests, found = digests_of(lake, use_case, decision), sign_off(lake, use_case, decision, permissions)
    standing, known = _standing(asking, decision), releases(lake, asking.name)
    stands, own = _stands(known), [one for one in known if one.record["decision"]["id"] == decision.id]
    ruling = permissions.may(person, "release", asking.name) if person else None
    values = {
        "decided": _decided(asking, decision, digests),
        "roles": found.roles,
        "lacking": found.lacking,
        "accepted": standing.state == ACCEPTED,
        "stands": _told(stands),
        "is_released": stands is not None and stands in own,
        "withdrawn": next((one.withdrawn for one in own if one.withdrawn), None),
        "may": bool(ruling),
        "why_not": ruling.why if ruling is not None and not ruling else "",
    }
    about = {
        "digests": asdict(digests),
        "standing": standing.words,
        "signatures": [one.id for one in found.signatures],
        "stands": stands.id if stands else None,
    }
    may_not = {"release": values["why_not"]}
    return View(values, about, decision, checkpoint_of(lake, decision), digests, may_not=may_not)


def roll_back_view(asking: Asking) -> View:
    """What is released now, what can be released again, and what has the traffic of each target."""
    lake, use_case, permissions, person = asking[:4]
    known = releases(lake, asking.name)
    stands = _stands(known)
    earlier = [one for one in known if stands and one.withdrawn is None and one.checkpoint != stands.checkpoint]
    ruling = permissions.may(person, "take_back", asking.name) if person else None
    at = {target: deployments(lake, asking.name, target)[:1] for target in use_case.settings.serving.targets}
    values = {
        "stands": _told(stands),
        "earlier": [_told(one) for one in earlier],
        "targets": {target: one[0].record["release"] for target, one in at.items() if one},
        "may": bool(ruling),
        "why_not": ruling.why if ruling is not None and not ruling else "",
    }
    about = {"releases": [[one.id, one.withdrawn is not None] for one in known]}
    return View(values, about, may_not={"rollback": values["why_not"]})


def ask_view(asking: Asking) -> View:
    """What is released, where the server is that has it, and whether the person may ask."""
    _, use_case, permissions, person = asking[:4]
    ours = [one for one in use_case.settings.serving.targets.values() if isinstance(one, LocalTarget)]
    ruling = permissions.may(person, "ask", asking.name) if person else None
    why_not = ruling.why if ruling is not None and not ruling else ""
    stands, target = _stands(releases(asking.lake, asking.name)), ours[0] if ours else None
    values = {"stands": _told(stands), "target": target, "why_not": why_not}
    return View(values, may_not={"ask": why_not})


VIEWS: dict[str, Callable[[Asking], View]] = {
    SIGN: sign_view,
    WAIVE: waive_view,
    RELEASE: release_view,
    ROLL_BACK: roll_back_view,
    ASK: ask_view,
    REVIEW: review_view,
    REVIEWS: reviews_view,
    ANNOTATE: annotate_view,
    RECALL: recall_view,
    ERASE: erase_view,
    DISCLOSE: disclose_view,
}


def _newest_decision(asking: Asking) -> ArtifactVersion | None:
    return next(iter(asking.lake.artifacts(asking.name, STAGE)), None)


def _standing(asking: Asking, decision: ArtifactVersion) -> Standing:
    """Whether a decision holds now."""
    found = standing_now(asking.lake, asking.use_case, decision_id=decision.artifact_id)
    assert found is not None  # the decision is there
    return found


def _decided(asking: Asking, decision: ArtifactVersion, digests: Digests) -> dict[str, Any]:
    """A decision as the template shows it."""
    found = json.loads(asking.lake.read_file(decision, FILE))
    return {
        "id": decision.artifact_id,
        "href": portal_address(asking.lake, decision),
        "words": _standing(asking, decision).words,
        "checkpoint": found["checkpoint"],
        "policy": found["policy"],
        "measured": [one for one in found["rules"] if not _merely_holds(one)],
        "others": [one for one in found["rules"] if _merely_holds(one)],
        "waivers": found["waivers"],
        "digests": {"decision": digests.decision, "model": digests.model},
        "evidence": _evidence(asking, checkpoint_of(asking.lake, decision)),
    }


def _merely_holds(rule: Mapping[str, Any]) -> bool:
    return rule["passed"] and rule["value"] is None


def _evidence(asking: Asking, checkpoint: ArtifactVersion) -> list[dict[str, str]]:
    """Reports that a decision made now would rest on, with their digests."""
    found = newest_evidence(asking.lake, asking.use_case, checkpoint)
    return [
        {
            "title": stage.replace("_", " "),
            "id": one.artifact_id,
            "digest": one.content_hash,
            "href": portal_address(asking.lake, one),
        }
        for stage, one in found.items()
        if one
    ]


def _stands(known: list[Release]) -> Release | None:
    return next((one for one in known if one.withdrawn is None), None)


def _told(release: Release | None) -> dict[str, str] | None:
    if release is None:
        return None
    told = {name: str(release.record.get(name, "")) for name in ("number", "released_by", "known_by", "released_at")}
    return {"id": release.id, "checkpoint": release.checkpoint, **told}
