"""The study itself: what workers that share it, die and come back find. No training is made."""

import threading
from pathlib import Path
from typing import Any

import pytest

from ft_platform.training.experiments import study as studies
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.experiments import Search
from ft_platform_tests.costs.test_ledger import named

pytestmark = pytest.mark.integration
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "rank": {"choices": [2, 4]}}


def searching(**values: Any) -> NamedUseCase:
    plain, search = named(), {"space": SPACE, "trials": 4, "startup_trials": 4, **values}
    settings = plain.settings.model_copy(update={"search": Search.model_validate(search)})
    return plain.model_copy(update={"settings": settings})


def drawn(folder: Path, use_case: NamedUseCase) -> dict[int, dict[str, Any]]:
    """Place -> values of an undisturbed search."""
    study = studies.open_study(folder)
    while trial := studies.next_trial(study, folder, use_case):
        study.tell(trial, 1.0)
    return values(study)


def values(study: Any) -> dict[int, dict[str, Any]]:
    return {one.user_attrs[studies.PLACE]: one.params for one in studies.trials_of(study)}


def test_a_trial_whose_worker_died_is_made_again_at_its_place_and_with_its_values(tmp_path: Path) -> None:
    use_case = searching(parallel=2)
    study = studies.open_study(tmp_path)
    with studies.working(tmp_path, 0), studies.working(tmp_path, 1):
        trials = [studies.next_trial(study, tmp_path, use_case, worker) for worker in (0, 1)]
        assert studies.recover(tmp_path) == 0, "both live"
    with studies.working(tmp_path, 1):
        assert studies.recover(tmp_path) == 1 and studies.recover(tmp_path) == 0
        again = studies.next_trial(study, tmp_path, use_case, 1)
        assert again and trials[0] and again.params == trials[0].params
        assert again.user_attrs == {studies.PLACE: 0, studies.WORKER: 1}
        assert studies.training_of(tmp_path, again) == studies.training_of(tmp_path, trials[0])
        for trial in (trials[1], again):
            study.tell(trial, 1.0)
        while trial := studies.next_trial(study, tmp_path, use_case, 1):
            study.tell(trial, 1.0)
    assert values(study) == drawn(tmp_path / "undisturbed", searching())


def test_so_it_is_where_the_sampler_has_learned_more_since(tmp_path: Path) -> None:
    use_case, study = searching(parallel=2, startup_trials=1, trials=9), studies.open_study(tmp_path)
    for loss in (3.0, 1.0, 2.0):
        study.tell(studies.next_trial(study, tmp_path, use_case), loss)
    killed = studies.next_trial(study, tmp_path, use_case, 1)
    study.tell(studies.next_trial(study, tmp_path, use_case), 0.5)
    assert studies.recover(tmp_path) == 1
    again = studies.next_trial(study, tmp_path, use_case)
    assert killed and again and again.params == killed.params and again.number > killed.number


def test_a_worker_waits_for_one_of_its_number_that_still_lives(tmp_path: Path) -> None:
    came = threading.Event()

    def second() -> None:
        with studies.working(tmp_path, 1):
            came.set()

    with studies.working(tmp_path, 1):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not came.wait(0.2)
    waiting.join(10)
    assert came.is_set()


def test_a_line_that_one_worker_could_not_finish_does_not_stop_the_others(tmp_path: Path) -> None:
    use_case, study = searching(), studies.open_study(tmp_path)
    first = studies.next_trial(study, tmp_path, use_case)
    with open(tmp_path / studies.JOURNAL, "ab") as file:
        file.write(b'{"op_code":4,"worker_id":"a kill in the middle of a wri')
    study.tell(first, 1.0)
    other = studies.open_study(tmp_path)
    assert studies.finished_of(other) == 1 and studies.next_trial(other, tmp_path, use_case)


def test_a_trial_that_was_never_taken_up_is_forgotten(tmp_path: Path) -> None:
    use_case, study = searching(), studies.open_study(tmp_path)
    study.enqueue_trial({"rank": 2}, user_attrs={studies.PLACE: 0, studies.WORKER: 3})
    trial = studies.next_trial(study, tmp_path, use_case)
    assert trial and trial.user_attrs == {studies.PLACE: 0, studies.WORKER: 0}
    assert [one.number for one in studies.trials_of(study)] == [trial.number]


def test_a_study_of_an_earlier_version_goes_on_at_the_next_place(tmp_path: Path) -> None:
    study = studies.open_study(tmp_path)
    for _ in range(2):
        study.tell(study.ask(), 1.0)
    trial = studies.next_trial(study, tmp_path, searching())
    assert trial and trial.user_attrs[studies.PLACE] == 2
