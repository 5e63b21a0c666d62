"""The page of the targets names every setting, and its examples are valid."""

import re

import pytest
import yaml
from pydantic import TypeAdapter

from ft_platform.use_case.settings.serving_targets import (
    HfEndpointTarget,
    KubernetesTarget,
    SageMakerTarget,
    ServingTarget,
    VllmTarget,
)
from ft_platform_tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how_to" / "deploy_targets.md").read_text(encoding="utf-8")
SECTIONS = {
    "vLLM": VllmTarget,
    "Hugging Face Inference Endpoints": HfEndpointTarget,
    "Amazon SageMaker": SageMakerTarget,
    "Kubernetes": KubernetesTarget,
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_is_in_the_table_of_its_target(heading):
    text = PAGE.split(f"\n## {heading}\n")[1].split("| setting |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", text, re.MULTILINE))))
    assert named == set(SECTIONS[heading].model_fields) - {"kind", "cost_per_hour", "currency"}


def test_the_examples_are_valid():
    found = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    kinds = [
        TypeAdapter(ServingTarget).validate_python(target).kind
        for one in found
        for target in one["serving"]["targets"].values()
    ]
    assert kinds == ["vllm", "hf_endpoint", "sagemaker", "kubernetes", "kubernetes"]
