"""Both kinds of judgement as a person starts them: by name, in the graph, the judge as a program of its own."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import run_use_case
from ft_platform_tests.chat_server import chat_server
from ft_platform_tests.evaluation.judged_case import judged_case


def test_a_person_starts_them_by_name_and_sees_words_pictures_and_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server() as server, dg.DagsterInstance.ephemeral() as instance:
        server.answer = lambda messages: "A"
        judge = {"endpoint": {"url": server.url, "model": "judge-1", "api_key_env": "JUDGE_KEY"}, "rows": 5}
        case = judged_case(tmp_path / "home", lambda place: f"good {place}", lambda place: f"bad {place}", judge=judge)
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(["complaints", "evaluation_report"]),
                metadata={"handle": dg.MetadataValue.json(case.evaluation.to_dict())},
            )
        )
        monkeypatch.setenv("JUDGE_KEY", "sk-quokka-zanzibar")
        outcome = run_use_case("complaints", select=["judge_report"], environment=case.environment, instance=instance)
        assert outcome.success, outcome.error
        assert len(server.requests) == 10
        assert {request["headers"]["Authorization"] for request in server.requests} == {"Bearer sk-quokka-zanzibar"}
        shown = metadata_of(instance, "judge_report")
        assert "may not be used in a gate: there is no gold set" in shown["conclusion"]
        assert shown["plot/judge"].startswith("![plot](/portal/complaints/") and shown["plot/judge"].endswith(
            "/judge.png)"
        )
        assert shown["verdict"]["position_bias"]["value"] == 1.0 and "/complaints/judge_report/" in shown["report"]
        outcome = run_use_case("complaints", select=["human_review"], environment=case.environment, instance=instance)
        assert not outcome.success and "ft review start complaints" in str(outcome.next_step or outcome.error)
        assert "quokka" not in everything_in(tmp_path / "home")
        assert open_lake(case.environment).artifacts("complaints", "human_review") == []


def metadata_of(instance: dg.DagsterInstance, stage: str) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(dg.AssetKey(["complaints", stage]))
    assert event and event.asset_materialization
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def everything_in(folder: Path) -> str:
    return "".join(
        path.read_bytes().decode("latin-1")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".json", ".html", ".txt", ".log")
    )
