"""No command of `ft` changes something without an entry in the audit log: each stands in one of the tables here, and
what the tables say is tried. Persons are fictitious."""

import argparse
import hashlib
import importlib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.commands import serve
from ft_platform.errors import ConfigError
from ft_platform.evaluation.golden_statements import add_prompt
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import named
from ft_platform.release import waivers
from ft_platform.release.incidents import report
from ft_platform.release.signing import sign
from ft_platform.serving.api_keys import add_key, keys_path
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.privacy.test_vault import sealed
from ft_platform_tests.release.evidence_case import OWNERS, changed, gap, good_figures
from ft_platform_tests.release.test_signatures import ANA, BO, Case

REASON = "Looked at twenty of them with Ana"
TODAY = datetime.now(UTC).date()
UNTIL = TODAY + timedelta(days=20)
NO_STATE = ("audit_log", "seals/verified", "cache", "errors", ".lock", "spool.db", "alerts.db", "dagster/")
"""In names of files: the log itself, and what any look may leave behind."""

NOTED: dict[str, tuple[str, str, str]] = {
    "sign": ("complaints --by {ana}", "signature", "approved a decision"),
    "sign --reject": ("complaints --by {ana} {because}", "signature", "rejected a decision"),
    "sign --take-back": ("{signature} complaints --by {ana} {because}", "signature", "took back a signature"),
    "sign --delegate-to": ("{bo} complaints --by {ana} --until {until}", "signature", "delegated signing"),
    "waiver grant": (
        "complaints --rule fairness/region --by {ana} --until {until} {because}",
        "waiver",
        "granted a waiver",
    ),
    "waiver confirm": ("complaints {waiver} --by {bo}", "waiver", "confirmed a waiver"),
    "waiver revoke": ("complaints {waiver} --by {ana} {because}", "waiver", "revoked a waiver"),
    "golden add": (
        "complaints returns --prompt 'How long?' --must-say '30 days'",
        "annotation",
        "wrote a golden prompt",
    ),
    "golden remove": ("complaints {golden} {because}", "annotation", "took a golden prompt back"),
    "incident report": ("complaints --severity minor --what {reason}", "incident", "reported an incident"),
    "incident measure": ("complaints {incident} --what {reason}", "incident", "did something about an incident"),
    "incident close": ("complaints {incident} --what {reason}", "incident", "closed an incident"),
    "retraining start": ("complaints {because}", "run", "asked for a retraining"),
    "releases --sync": ("complaints", "release", "set versions and aliases in the registry"),
    "vault init": ("", "key", "made the vault key"),
    "vault rotate": ("{vault_key}", "key", "rotated the vault key"),
    "keys create": ("{no_key}", "key", "made the pseudonym key"),
    "keys rotate": ("", "key", "rotated the pseudonym key"),
    "keys retire": ("{old_key}", "key", "retired a version of the pseudonym key"),
    "keys copy": ("--to file --file {home}/copy.key", "key", "copied the pseudonym key"),
    "seals adopt": ("complaints --by 'Ana Ruiz' {because}", "evidence", "signed what lay in the lake"),
    "seals accept": (
        "complaints {signed_file} --by 'Ana Ruiz' {because}",
        "evidence",
        "answered for a file that was altered or lost",
    ),
    "seals rotate": ("", "key", "rotated the signing key"),
    "seals stolen": ("{signing_key} --since {now}", "key", "reported a signing key as stolen"),
    "serve keys add": ("complaints --name portal", "key", "made a key of the server"),
    "serve keys revoke": ("{api_key}", "key", "revoked a key of the server"),
    "users add": ("{ana}", "people", "ft users add"),
    "users disable": ("{user}", "people", "ft users disable"),
    "users enable": ("{user}", "people", "ft users enable"),
    "users reset": ("{user}", "people", "ft users reset"),
    "users remove": ("{user}", "people", "ft users remove"),
    "tokens add": ("nightly --may see --in complaints --days 9", "people", "ft tokens add"),
    "tokens revoke": ("{token}", "people", "ft tokens revoke"),
    "audit-log forget": ("--person {signer} {because}", "erasure", "erased a person from the audit log"),
}
"""What changes something -> words after it, kind and words of the entry."""

NO_FILE = ("releases --sync", "audit-log forget")
"""What these change is no file outside the log."""
NO_REGISTRY = ("releases --sync",)
"""Fails here, after its entry."""

CONDUCTING = "serving.rollout.test_conducting"
ACCESS = "people.test_access:test_each_word_is_in_the_audit_log_before_it_counts"
ERASED = "erasure.test_whole:test_a_person_is_gone_from_all_that_the_installation_owns_and_the_rest_verifies"
DELETED = "erasure.test_retention:test_a_row_whose_period_is_over_is_gone_from_every_version_and_the_rest_verifies"
HELD = "erasure.test_retention:test_a_legal_hold_keeps_everything_until_it_is_lifted"
WEIGHED = "erasure.test_weights:test_who_was_learned_by_heart_scores_high_before_and_like_anybody_after"
LOOKED = "commands.test_look:test_records_are_shown_to_a_data_engineer_and_each_page_is_noted"
REPAIRED = "evaluation.annotation.test_repairs:test_two_who_agree_repair_labels_and_no_record_moves"
REVIEWED = "evaluation.review.test_online:test_the_review_ends_publishes_what_the_gate_reads_and_takes_nothing_more"
BACKED_UP = "lake.test_backup:test_the_commands_back_up_restore_and_note_what_they_do"
TRIED_ELSEWHERE = {
    **dict.fromkeys(("backup --end-earlier", "restore"), BACKED_UP),
    "backup --moved": "erasure.test_copied_home:test_a_home_that_took_the_place_of_another_goes_on_with_its_backups",
    "lake check --repair": "lake.test_check:test_the_command_repairs_notes_it_and_prints_json",
    "lake copy": "lake.test_check:test_a_copy_by_the_command_is_noted",
    **dict.fromkeys(("access request", "access grant", "access decline", "access end"), ACCESS),
    **dict.fromkeys(("annotate start", "annotate export", "annotate import", "annotate revoke"), REPAIRED),
    **dict.fromkeys(("erase request", "erase approve", "erase subject"), ERASED),
    "erase measure": WEIGHED,
    "subject export": "erasure.test_disclosure:test_a_person_gets_every_row_with_its_purpose_and_what_learned_from_it",
    "erase refuse": "erasure.test_whole:test_a_request_about_somebody_else_than_was_approved_is_refused",
    "diff": "commands.test_diff:test_texts_are_for_those_who_may_see_them_and_each_page_is_noted",
    **dict.fromkeys(("look", "look --id"), LOOKED),
    "looks confirm": "commands.test_look:test_a_second_person_confirms_where_the_policy_asks_for_it",
    "vault read": (
        "commands.test_vault:test_the_holder_of_the_key_gets_the_originals_and_everybody_the_list_of_look_ups"
    ),
    "deploy --remove": "serving.test_deploying:test_what_was_taken_away_is_served_no_more_and_no_fault",
    "monitor --acknowledge": (
        "monitoring.test_monitoring_report:test_an_alarm_stays_until_somebody_acknowledged_it_and_then_begins_anew"
    ),
    "privacy sample": (
        "assets.test_recall_floor:test_a_sample_that_people_filled_in_proves_it_and_anonymizes_nothing_again"
    ),
    **dict.fromkeys(("retention hold", "retention lift"), HELD),
    "retention delete": DELETED,
    "retention sweep": (
        "governance.test_taint:test_saved_states_of_trainings_on_withdrawn_rows_are_removed_and_others_stay"
    ),
    **dict.fromkeys(("review start", "review publish"), REVIEWED),
    "review drop": "evaluation.review.test_online:test_a_dropped_review_leaves_no_judgement",
    "review export": "evaluation.review.test_review:test_answers_come_back_to_the_right_system",
    "review import": "evaluation.review.test_review:test_answers_come_back_to_the_right_system",
    "rollout --promote": f"{CONDUCTING}:test_a_shadow_tells_its_differences_and_a_person_ends_it",
    "rollout --stop": f"{CONDUCTING}:test_a_shadow_tells_its_differences_and_a_person_ends_it",
    "rollout --unblock": f"{CONDUCTING}:test_planted_errors_end_a_rollout_and_block_the_release_until_a_person_looks",
    "withdraw": "people.test_audit_log_wired:test_decision_signatures_release_and_withdrawal_are_noted_once_each",
    "traffic --forget": "people.test_audit_log_wired:test_requests_of_a_person_are_noted_before_they_are_deleted",
    "traffic --labels": "monitoring.traffic.test_label_file:test_labels_count_for_the_requests_that_they_name",
    "feedback --release": "commands.test_feedback:test_a_person_sees_what_waits_releases_it_and_takes_it_back",
    "feedback --revoke": "commands.test_feedback:test_a_person_sees_what_waits_releases_it_and_takes_it_back",
    "audit-log begin-again": (
        "people.test_audit_log:test_a_log_that_cannot_go_on_is_moved_aside_and_the_new_one_says_so"
    ),
}
"""The same, where that takes more than an installation with evidence -> test that sees the entry."""

RUNS = {
    "run": "complaints",
    "release": "complaints",
    "rollback": "complaints {because}",
    "deploy": "complaints",
}
"""What changes nothing but by a run, which is noted before its first step -> words after it."""

READS = {
    "check": "",
    "list": "",
    "targets": "",
    "run --plan": "complaints",
    "results": "complaints",
    "decide": "complaints",
    "sign": "complaints",
    "waiver list": "complaints",
    "incident list": "complaints",
    "releases": "complaints",
    "needs": "",
    "may": "",
    "search": "complaints",
    "trace record": "complaints x",
    "trace subject": "complaints x",
    "trace checkpoint": "complaints ckpt-weights",
    "explain": "complaints",
    "costs": "",
    "quota": "",
    "errors": "complaints",
    "fairness": "complaints",
    "golden list": "complaints",
    "roi": "complaints",
    "access list": "complaints",
    "annotate status": "complaints",
    "review status": "complaints",
    "compare": "complaints",
    "erase list": "",
    "erase show": "complaints erasure_request-000000000000",
    "looks list": "",
    "retention list": "",
    "retention show": "complaints retention_report-000000000000",
    "looks --id": "x list",
    "feedback --effect": "complaints",
    "monitor": "complaints",
    "alerts": "complaints",
    "rollout": "complaints",
    "rollout --differences": "complaints",
    "privacy attack": "complaints",
    "keys list": "",
    "vault audit": "complaints",
    "seals verify": "",
    "seals keys": "",
    "lake check": "",
    "restore --list": "",
    "restore --check": "",
    "retraining explain": "complaints",
    "retraining simulate": "complaints --from {today}",
    "serve keys list": "",
    "users list": "",
    "tokens list": "",
    "audit-log show": "",
    "audit-log verify": "",
    "audit-log checkpoint": "",
    "schema file": "",
    "schema entities": "",
}
"""What changes nothing -> words after it."""

BY_RUNS = "everything that it does is a run, which is noted before its first step"
STARTS = "starts or asks a server; what people do there is noted there"
MEASURES = "keeps what it measured, on which no decision rests before a run has made it again"
WRITES = "writes files where the person says, and nothing into the lake"
APART = {
    "demo": BY_RUNS,
    "loop": BY_RUNS,
    **dict.fromkeys(("ui", "reports", "serve", "ask", "chat", "parity", "alerts --test"), STARTS),
    **dict.fromkeys(("annotate effect", "audit", "estimate", "monitor --day", "reproduce"), MEASURES),
    **dict.fromkeys(
        ("export", "evidence", "schema --output", "audit --html", "lake policies", "backup", "bundle"), WRITES
    ),
    "privacy eval": "reads a file of annotated texts",
    "bundle --verify": "reads a folder that others may have given",
    "init": "there is no installation before it",
    "new": "its file is noted when it is first worked with: saw a file of settings",
    "lake harden": "mends modes, also where they keep the log from being written",
    "seals certificates": WRITES,
    "retention --day": "judges by an earlier day, and marks as without it",
    "traffic": "brings what servers noted into the lake, as the daemon does all the time",
    "traffic --ship": "brings what servers noted into the lake, as the daemon does all the time",
    "feedback": "makes `labelled_traffic` again from what servers noted",
    "catalog": "brings tables of the lake to the catalogue, as the sensor does all the time",
    "run --keep": "writes the use case's file, as its author does with an editor; the run itself is noted",
    "audit-log send": "brings entries to anchors and receivers, as the sensor does all the time",
}
"""Neither -> why."""

HOW = """
--json --debug --help --by --reason --set --select --until --continue --control --checkpoint --to --file --in --days
--as --target --rule --severity --what --aware --release --url --model --records --other-engine --columns --every
--newest --files --system --label --predicted --wrong-labels --show --text --force --settings --compute --seconds
--month --runs --sample --size --seed --kind --context --person --use-case --since --copy --key --second-factor --may
--older-than --at --instead --from --dry-run --decision --source --all --out --sha256 --sign-with --public-key --dtype
--quantization --keep-different --requests --gold --half --perturbations --compare --rows --raters --format
--alternative --look --minutes --purpose --order --side --disputed --arbiter --received --golden --account --confirm
--unlabelled --prompt --must-say --must-never-say --measure-weights --criterion --extras --torch --base-model --image
--python --roots
"""
"""Options that say how, what, or about whom."""


def leaves() -> Iterator[str]:
    """Everything that `ft` can be asked: command, action of it, option that is an action."""
    (commands,) = _subparsers(cli.build_parser())
    for name, parser in commands.choices.items():
        yield from _leaves(name, parser)
    yield from (f"serve keys {action}" for action in serve.ACTIONS)


def _subparsers(parser: argparse.ArgumentParser) -> list[Any]:
    return [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]


def _leaves(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    if below := _subparsers(parser):
        for action, one in below[0].choices.items():
            yield from _leaves(f"{name} {action}", one)
        return
    first = next((one for one in parser._actions if not one.option_strings), None)
    if first is not None and first.choices:
        yield from (f"{name} {action}" for action in first.choices)
    else:
        yield name
    exclusive = {one for group in parser._mutually_exclusive_groups for one in group._group_actions}
    for one in parser._actions:
        if one.option_strings and (one in exclusive or not set(HOW.split()) & set(one.option_strings)):
            yield f"{name} {one.option_strings[-1]}"


def test_every_command_is_declared_once() -> None:
    tables = (NOTED, TRIED_ELSEWHERE, RUNS, READS, APART)
    declared = [name for table in tables for name in table]
    both = {"sign"}
    """Without `--by` it reads."""
    asked = {name for name in leaves() if name.split()[0] not in ("serve", "ui", "reports") or " --" not in name}
    assert sorted(set(declared) - asked) == [] and sorted(asked - set(declared)) == []
    assert {name for name in declared if declared.count(name) > 1} == both


@pytest.mark.parametrize("test", sorted(set(TRIED_ELSEWHERE.values())))
def test_the_other_tests_are_there(test: str) -> None:
    module, _, name = test.partition(":")
    assert hasattr(importlib.import_module(f"ft_platform_tests.{module}"), name)


class World:
    """An installation with a use case, its evidence and a decision. Its attributes stand in the tables above.

    Args:
        refused: by a rule that can be waived; otherwise it is accepted.
    """

    ana, bo, until, today = ANA, BO, UNTIL.isoformat(), TODAY.isoformat()
    reason, because = shlex.quote(REASON), f"--reason {shlex.quote(REASON)}"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, refused: bool = False) -> None:
        self.environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
        self.home = self.environment.home
        for name, value in self.environment.to_variables().items():
            monkeypatch.setenv(name, value)
        for name in ("FT_ENVIRONMENT", "FT_PSEUDONYM_KEY", "FT_VAULT_KEY", "DAGSTER_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
        wide = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
        teams = {**OWNERS["teams"], "privacy": [ANA, BO]}
        self.case = Case(self.home, figures=wide if refused else good_figures())
        self.case.attributes = {
            "retraining": {"mode": "by_reasons"},
            "owners": {**OWNERS, "compliance": "team:privacy", "teams": teams},
        }
        self.case.decided()
        write_use_case(self.environment.defs, "complaints", self.case.attributes_used)
        create_pseudonym_key(self.environment)
        self.log = AuditLog(self.case.lake)
        sealed(self.case.lake, folder / "work", [("<PERSON_aaaaaaaa>", "Mirela Okonjo")])

    def __getitem__(self, name: str) -> str:
        """What stands in a table for a name in braces."""
        found = getattr(self, name)
        return str(found() if callable(found) else found)

    def words(self, name: str, rest: str) -> list[str]:
        return shlex.split(f"{name} {rest.format_map(self)}")

    def state(self) -> dict[str, str]:
        """File -> hash."""
        files = {str(one.relative_to(self.home)): one for one in sorted(self.home.rglob("*")) if one.is_file()}
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files.items()
            if not any(word in name for word in NO_STATE)
        }

    def said(self, since: int) -> list[tuple[str, str]]:
        return [(one.kind, one.what) for one in self.log.entries(since)]

    @contextmanager
    def broken_log(self) -> Iterator[None]:
        """As somebody who cuts off the newest entry, and puts it back."""
        note(self.case.lake, "complaints", "login", "signed in")
        file = Path(self.log.files.segment(self.log.files.segments()[-1]))
        whole = file.read_bytes()
        file.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        yield
        file.write_bytes(whole)

    def waiver(self) -> str:
        case = self.case
        ruling = next(one for one in case.decide().rulings if one.rule == "fairness/region")
        words = {"granted_by": ANA, "reason": REASON, "until": UNTIL, "today": TODAY}
        return waivers.grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words).id

    def signature(self) -> str:
        case = self.case
        return sign(case.lake, case.use_case, case.decision, named(ANA), case.permissions, self.log)[0].id

    def signer(self) -> str:
        self.signature()
        return ANA

    def golden(self) -> str:
        add_prompt(self.case.lake, self.case.use_case, named(ANA), "returns", "How long?", ["30 days"], [])
        return "returns"

    def incident(self) -> str:
        about = {"severity": "minor", "what": REASON, "aware": TODAY, "today": TODAY}
        return report(self.case.lake, self.case.use_case, named(ANA), **about).id

    def api_key(self) -> str:
        return add_key(keys_path(self.environment), "complaints", "portal")[0].id

    def signed_file(self) -> str:
        seals = self.case.lake.seals("complaints")
        assert seals
        return sorted(seals.paths())[0]

    def signing_key(self) -> str:
        return self.log.keys.newest

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    def no_key(self) -> str:
        self.environment.key_path.unlink()
        return ""

    def old_key(self) -> str:
        return self._after(["keys", "rotate"], "1")

    def user(self) -> str:
        return self._after(["users", "add", BO], BO)

    def token(self) -> str:
        return self._after(["tokens", "add", "nightly", "--may", "see", "--in", "complaints", "--days", "9"], "nightly")

    def vault_key(self) -> str:
        return self._after(["vault", "init"], "")

    def _after(self, words: list[str], then: str) -> str:
        assert cli.main(words) == 0
        return then


def made_run(*_: Any, **__: Any) -> RunOutcome:
    return RunOutcome(success=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    name = request.node.callspec.params["name"]
    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", made_run)
    return World(tmp_path, monkeypatch, refused=name.startswith("waiver"))


@pytest.mark.parametrize("name", NOTED)
def test_what_changes_something_is_noted_before_and_not_done_where_it_cannot_be(
    world: World, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rest, kind, what = NOTED[name]
    words = world.words(name, rest)
    before = world.state()
    with world.broken_log():
        assert cli.main(words) == 1
        assert "nothing that has to be noted happens" in " ".join(capsys.readouterr().err.split())
        assert world.state() == before
    head = world.log.head()
    assert head and cli.main(words) == int(name in NO_REGISTRY), capsys.readouterr().err
    assert (kind, what) in world.said(head.entries)
    assert world.state() != before or name in NO_FILE


@pytest.mark.parametrize("name", READS)
def test_what_only_reads_changes_nothing(world: World, name: str) -> None:
    before, head = world.state(), world.log.head()
    cli.main(world.words(name, READS[name]))
    assert world.state() == before and world.log.head() == head


@pytest.mark.parametrize("name", RUNS)
def test_what_is_done_by_a_run_changes_nothing_without_it(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> RunOutcome:
        raise ConfigError(["no run today"])

    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", refused)
    before = world.state()
    assert cli.main(world.words(name, RUNS[name])) == 1
    # The traffic is given back before a run; here there is no release to give it to.
    assert ("no earlier release" if name == "rollback" else "no run today") in capsys.readouterr().err
    assert world.state() == before
