"""Runs of what learned from a person in MLflow and Weights & Biases: deleted, told, or asked again. Persons are
fictitious."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.tracking.runs import runs_of, tracker_for
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import approved, ft, house  # noqa: F401
from ft_platform_tests.governance.house import House
from ft_platform_tests.mlflow_server import mlflow_server
from ft_platform_tests.test_wandb import variables_as_before  # noqa: F401

pytestmark = pytest.mark.integration
LOG = logging.getLogger("test")


def tracked(made_in: House, checkpoint_id: str, learned: bool = True) -> tuple[ArtifactVersion, dict[str, Any]]:
    """A checkpoint whose training was tracked, with its files; and its runs."""
    lake, environment = made_in.lake, load_environment()
    splits = lake.latest("letters", "splits")
    person = subject_pseudonyms(environment, "letters", PERSON)[1]
    table = lake.read_table(splits, ["record_id", "subject_id"]).to_pylist()
    ids = [row["record_id"] for row in table if learned or row["subject_id"] != person]
    assert len(ids) == len(table) - (not learned)
    with tracker_for(environment, made_in.case, "adapter_checkpoint", checkpoint_id, {"splits": splits.id}, LOG) as run:
        state = run.state()
        with lake.scratch("letters", "adapter_checkpoint") as folder:
            folder.mkdir()
            (folder / "adapter.bin").write_bytes(b"weights")
            pq.write_table(pa.table({"record_id": ids}), folder / "training_records.parquet")
            run.finish({"loss": 1.0}, folder)
            made = lake.publish(
                "letters",
                "adapter_checkpoint",
                checkpoint_id,
                folder,
                parents=[splits],
                settings_hash="s",
                input_hash=checkpoint_id,
                info={"tracking": state},
            )
    return made, runs_of(state)


def place(capsys: pytest.CaptureFixture, request: str, name: str) -> dict[str, Any]:
    told = json.loads(ft(capsys, "show", "letters", request))
    assert "Zebulon" not in json.dumps(told)
    places = {one["place"]: one for said in (told, *told.get("confirmed_later", ())) for one in said["places"]}
    return next(one for where, one in places.items() if where.startswith(name))


def assert_only_clean_runs_stay(house: House, capsys: pytest.CaptureFixture, uri: str) -> dict[str, Any]:  # noqa: F811
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    _, with_person = tracked(house, "ckpt-tracked")
    _, clean = tracked(house, "ckpt-clean", learned=False)
    client = MlflowClient(uri)
    tagged = client.create_run(client.get_experiment_by_name("letters").experiment_id, tags={"note": f"for {PERSON}"})
    about = client.create_run(tagged.info.experiment_id, tags={"checkpoint": "ckpt-tracked"})
    client.create_registered_model("letters")
    for checkpoint, run in (("ckpt-tracked", with_person), ("ckpt-clean", clean)):
        source = client.get_run(run["mlflow"]["run_id"]).info.artifact_uri
        client.create_model_version("letters", source, run["mlflow"]["run_id"], tags={"checkpoint": checkpoint})
    capsys.readouterr()  # MLflow says where its runs are
    request = approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 0
    told = place(capsys, request, "MLflow")
    gone = {with_person["mlflow"]["run_id"], tagged.info.run_id, about.info.run_id}
    assert set(told["deleted"]) == {*gone, "letters/1"} and told["result"] == "deleted"
    assert "mlflow gc" in told["why"]
    for run_id in gone:
        assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert "note" not in client.get_run(tagged.info.run_id).data.tags
    kept = client.get_run(clean["mlflow"]["run_id"])
    assert kept.info.lifecycle_stage == "active" and client.list_artifacts(kept.info.run_id)
    assert [str(one.version) for one in client.search_model_versions("name = 'letters'")] == ["2"]
    with pytest.raises(MlflowException):
        client.get_model_version("letters", "1")
    return with_person


def test_runs_and_their_files_go_from_a_store_of_the_installation(house, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("FT_TRACKING_URI", f"sqlite:///{house.environment.home}/mlflow.db")
    environment = load_environment()
    gone = assert_only_clean_runs_stay(house, capsys, environment.mlflow_uri)
    kept = list((environment.home / "mlflow-artifacts").rglob("adapter.bin"))
    assert len(kept) == 1 and gone["mlflow"]["run_id"] not in str(kept[0])
    assert bytes_below(environment.home, PERSON) == 0


@pytest.mark.components(name="mlflow")
@pytest.mark.slow  # starting the server takes half a minute
def test_runs_and_their_files_go_from_a_server(house, capsys, tmp_path, monkeypatch):  # noqa: F811
    server = tmp_path / "server"
    server.mkdir()
    with mlflow_server(server) as address:
        monkeypatch.setenv("FT_TRACKING_URI", address)
        assert_only_clean_runs_stay(house, capsys, address)
    assert len(list(server.rglob("adapter.bin"))) == 1
    assert bytes_below(server, PERSON) == 0, "in its database, tags of the deleted runs are gone"


@pytest.mark.components(name="mlflow")
@pytest.mark.slow
def test_a_server_that_is_down_is_told_in_the_certificate_and_asked_again(house, capsys, tmp_path, monkeypatch):  # noqa: F811
    from mlflow.tracking import MlflowClient

    server = tmp_path / "server"
    server.mkdir()
    with mlflow_server(server) as address:
        monkeypatch.setenv("FT_TRACKING_URI", address)
        _, runs = tracked(house, "ckpt-tracked")
        run_id = runs["mlflow"]["run_id"]
        capsys.readouterr()  # MLflow says where its runs are
        monkeypatch.setattr("ft_platform.tracking.mlflow_deleting.MlflowTracker._connect", broken)
        request = approved(capsys)
        found = json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))
        assert found["not_confirmed"] == 1 and found["certificate"] and found["bytes_found_after"] == 0
        told = place(capsys, request, "MLflow")
        assert (told["result"], told["not_confirmed"]) == ("requested, not confirmed", [run_id])
        assert "ConnectionError" in told["why"]
        assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 1
        monkeypatch.undo()
        monkeypatch.setenv("FT_TRACKING_URI", address)
        for name, value in house.environment.to_variables().items():
            if name != "FT_TRACKING_URI":
                monkeypatch.setenv(name, value)
        assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 0
        told = place(capsys, request, "MLflow")
        assert (told["result"], told["deleted"], told["not_confirmed"]) == ("deleted", [run_id], [])
        assert MlflowClient(address).get_run(run_id).info.lifecycle_stage == "deleted"
    ft(capsys, "subject", "letters", PERSON, "--json")
    assert len(json.loads(ft(capsys, "show", "letters", request))["confirmed_later"]) == 1, "not again"


def broken(self: Any, uri: str, log: Any) -> None:
    self._client, self._state, self._run = None, "failed: start: ConnectionError", None
    self._name, self._clients, self._remedy, self._log = "MLflow", (), "", log


class Wandb(BaseHTTPRequestHandler):
    """What Weights & Biases answers when a run is looked for and deleted (its public GraphQL API)."""

    runs: dict[str, str]
    deleted: list[dict[str, Any]]
    refuses = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        query, given = asked["query"], asked.get("variables") or {}
        data: dict[str, Any] = {"viewer": {"id": "1", "entity": "team", "username": "u", "teams": {"edges": []}}}
        if "deleteRun" in query:
            self.deleted.append(given)
            self.runs.pop(given["id"], None)
            data = {"deleteRun": {"clientMutationId": None}}
        elif "run(name" in query:
            run = {"id": given["name"], "name": given["name"], "displayName": "x", "state": "finished"}
            run |= {"config": "{}", "summaryMetrics": "{}", "systemMetrics": "{}", "tags": [], "projectId": 1}
            data = {"project": {"run": run if given["name"] in self.runs else None}}
        content = json.dumps({"data": data}).encode()
        self.send_response(403 if self.refuses else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        """Nothing."""


@contextmanager
def wandb_server(runs: list[str]) -> Iterator[tuple[str, type[Wandb]]]:
    kind = type("Here", (Wandb,), {"runs": dict.fromkeys(runs, ""), "deleted": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind
    finally:
        server.shutdown()
        server.server_close()


def online(house: House, checkpoint_id: str, run_id: str) -> None:  # noqa: F811
    """A checkpoint that learned from the person, and whose run was sent."""
    lake = house.lake
    splits = lake.latest("letters", "splits")
    state = {"tracker": "wandb", "run_id": run_id, "experiment": "letters", "mode": "online"}
    state["url"] = f"https://wandb.example.org/team/letters/runs/{run_id}"
    with lake.scratch("letters", "adapter_checkpoint") as folder:
        folder.mkdir()
        (folder / "metrics.json").write_text("{}")
        lake.publish(
            "letters",
            "adapter_checkpoint",
            checkpoint_id,
            folder,
            parents=[splits],
            settings_hash="s",
            input_hash=checkpoint_id,
            info={"tracking": {"wandb": state}},
        )


def test_runs_that_were_sent_to_wandb_are_deleted_there_with_their_artifacts(house, capsys, monkeypatch):  # noqa: F811
    online(house, "ckpt-sent", "sent1")
    online(house, "ckpt-gone", "gone1")
    request = approved(capsys)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 1
    told = place(capsys, request, "Weights")
    assert (told["result"], sorted(told["not_confirmed"])) == ("requested, not confirmed", ["gone1", "sent1"])
    assert "WANDB_API_KEY" in told["why"]
    with wandb_server(["sent1", "other"]) as (address, server):
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_API_KEY", "c" * 40)
        server.refuses = True
        assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 1
        assert place(capsys, request, "Weights")["why"].startswith("failed: ")
        server.refuses = False
        assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 0
        assert server.deleted == [{"id": "sent1", "deleteArtifacts": True}] and list(server.runs) == ["other"]
    told = place(capsys, request, "Weights")
    assert (told["result"], told["deleted"], told["not_confirmed"]) == ("deleted", ["gone1", "sent1"], [])


def test_runs_that_were_not_sent_to_wandb_lose_their_folder(house, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("FT_TRACKERS", "wandb")
    _, with_person = tracked(house, "ckpt-tracked")
    _, clean = tracked(house, "ckpt-clean", learned=False)
    folders = [house.environment.home / "wandb" / runs["wandb"]["folder"] for runs in (with_person, clean)]
    assert all(folder.is_dir() for folder in folders)
    request = approved(capsys)
    ft(capsys, "subject", "letters", PERSON, "--json")
    assert [folder.is_dir() for folder in folders] == [False, True]
    assert place(capsys, request, "Weights")["deleted"] == [with_person["wandb"]["run_id"]]


def test_a_run_that_somebody_sent_later_waits_for_the_server(house, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("FT_TRACKERS", "wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    _, runs = tracked(house, "ckpt-tracked")
    folder, run_id = house.environment.home / "wandb" / runs["wandb"]["folder"], runs["wandb"]["run_id"]
    (folder / f"run-{run_id}.wandb.synced").touch()
    request = approved(capsys)
    ft(capsys, "subject", "letters", PERSON, "--json")
    assert place(capsys, request, "Weights")["not_confirmed"] == [run_id]
    assert [path.name for path in folder.iterdir()] == [f"run-{run_id}.wandb.synced"]
    with wandb_server([run_id]) as (address, server):
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_API_KEY", "c" * 40)
        assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 0
        assert server.deleted and not folder.exists()


def test_without_trackers_the_certificate_names_the_other_places(house, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("FT_TRACKERS", "none")
    request = approved(capsys)
    ft(capsys, "subject", "letters", PERSON, "--json")
    told = json.loads(ft(capsys, "show", "letters", request))["places"]
    assert [one["place"] for one in told][:2] == ["tables of the lake", "reports and lists of training records"]
    assert not any("MLflow at" in one["place"] or "Weights" in one["place"] for one in told)


def test_channels_and_receivers_are_named_with_what_they_get(environment: Environment):
    from ft_platform.erasure.places import others
    from ft_platform.use_case.settings.alerting import Alerting, Slack
    from ft_platform.use_case.settings.audit_log import AuditLogSettings, Syslog

    made = environment.model_copy(
        update={
            "alerting": Alerting(channels={"ops": Slack(kind="slack", url_variable="OPS")}),
            "audit_log": AuditLogSettings(
                forward=[Syslog(kind="syslog", host="siem", persons=True), Syslog(kind="syslog", host="siem")]
            ),
        }
    )
    assert [(one["place"], one["result"]) for one in others(made)] == [
        ("alert channel ops", "gets nothing of persons"),
        ("receiver 1 of the audit log (syslog)", "not reached"),
        ("receiver 2 of the audit log (syslog)", "gets nothing of persons"),
    ]


def test_the_rest_of_the_lake_verifies(house, capsys):  # noqa: F811
    from ft_platform.lake.inspection import inspect

    tracked(house, "ckpt-tracked")
    approved(capsys)
    ft(capsys, "subject", "letters", PERSON, "--json")
    assert inspect(open_lake(house.environment), "letters").problems == []
