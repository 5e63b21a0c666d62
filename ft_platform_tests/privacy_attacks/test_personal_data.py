"""Personal data in the model's own texts is counted by entity, compared with the vault where that can be opened, and
never quoted. Persons are fictitious."""

import json
from pathlib import Path

import pytest

from ft_platform.lake.keys.key_ring import vault_key_place
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.privacy.vault import VaultKeys, new_vault_ring
from ft_platform.training.privacy_attacks.inputs import attack_inputs
from ft_platform.training.privacy_attacks.personal_data import personal_data
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.privacy.test_vault import sealed
from ft_platform_tests.tiny_models import use_case_for

TEXTS = [
    "Write to mirela@example.com or tarik@example.com.",
    "Nothing here.",
    "My card is 4111 1111 1111 1111, mail MIRELA@example.com",
]


@pytest.fixture
def use_case() -> NamedUseCase:
    return use_case_for("example/none")


def with_vault(use_case: NamedUseCase) -> NamedUseCase:
    privacy = use_case.settings.privacy.model_copy(update={"vault": True})
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"privacy": privacy})})


def test_findings_are_counted_by_entity_and_no_value_is_kept(
    lake: Lake, environment: Environment, use_case: NamedUseCase
) -> None:
    found = personal_data(lake, environment, use_case, TEXTS)
    assert (
        found["samples"] == 3 and found["texts_with_finding"] == 2 and found["found"] == {"CREDIT_CARD": 1, "EMAIL": 3}
    )
    assert found["originals"] is None and "privacy.vault is off" in found["originals_status"]
    assert "mirela" not in json.dumps(found).casefold() and "4111" not in json.dumps(found)


def test_with_a_vault_and_its_key_originals_are_counted_and_the_look_up_is_noted(
    lake: Lake, environment: Environment, use_case: NamedUseCase, tmp_path: Path
) -> None:
    from ft_platform.privacy.vault import Vault

    found = personal_data(lake, environment, with_vault(use_case), TEXTS)
    assert found["originals"] is None and "there is no key" in found["originals_status"]
    splits, checkpoint = (ArtifactVersion("complaints", name, name, name, "u") for name in ("s", "c"))
    of = with_vault(use_case), use_case
    before = [attack_inputs(environment, one, splits, checkpoint) for one in of]
    ring = new_vault_ring()
    vault_key_place(environment).open().write(ring.to_text())
    after = [attack_inputs(environment, one, splits, checkpoint) for one in of]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True], "it is made again"
    assert VaultKeys(ring).public
    found = personal_data(lake, environment, with_vault(use_case), TEXTS)
    assert found["originals"] is None and "no vault of complaints" in found["originals_status"], (
        "nothing was sealed yet: that is not 0 originals"
    )
    sealed(lake, tmp_path / "work", [("<EMAIL_aaaaaaaa>", "mirela@example.com")], ring=ring)
    found = personal_data(lake, environment, with_vault(use_case), TEXTS)
    assert (found["originals"], found["originals_status"]) == (2, "compared"), "one of the two in capitals"
    assert Vault(lake, "complaints").notes()[-1]["reason"].startswith("privacy_report")
