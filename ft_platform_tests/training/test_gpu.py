"""Utilization and power of the GPU, against a stand-in for NVML below torch's own functions. No real GPU has been
measured."""

import sys
from types import SimpleNamespace

import pytest
import torch

from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress
from ft_platform.training import gpu
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.gpu import GpuMeter
from ft_platform.training.loop import train
from ft_platform.training.lora import add_adapter
from ft_platform.training.objectives import AnswerLoss
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import split_rows, tiny_model, tiny_tokenizer

CUDA = torch.device("cuda", 0)


class FakeNvml(SimpleNamespace):
    """Two GPUs that are told apart by their figures."""

    class NVMLError(Exception):
        pass

    class NVMLError_DriverNotLoaded(NVMLError):
        pass

    broken: Exception | None = None

    def nvmlInit(self):
        if self.broken:
            raise self.broken

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=80 + handle, memory=10)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 300_000 + 1000 * handle


@pytest.fixture
def nvml(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "pynvml", fake, raising=False)
    monkeypatch.setattr(torch.cuda, "_HAS_PYNVML", True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


@pytest.fixture
def data():
    renderer = Renderer(
        tiny_tokenizer(), Task(kind="classification", instruction="One of: {labels}."), ["loan", "card"]
    )
    sides = [
        [renderer.example(r["messages"], r["label"]) for r in split_rows(20) if r["split"] == side]
        for side in ("train", "validation")
    ]
    return renderer.prefix_ids(), *(split_off_prefix(side, renderer.prefix_ids()) for side in sides)


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now.seconds)
    return now


def test_utilization_in_percent_and_power_in_watts(nvml):
    meter = GpuMeter(CUDA)
    assert meter.read() == {"gpu_utilization_percent": 80.0, "gpu_power_watts": 300.0}
    assert meter.problem == ""


def test_the_device_that_the_model_is_on_is_measured(nvml, monkeypatch):
    assert GpuMeter(torch.device("cuda", 1)).read()["gpu_power_watts"] == 301.0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert GpuMeter(torch.device("cuda", 1)).read()["gpu_power_watts"] == 307.0


def test_within_a_second_nothing_is_asked_again_and_means_count_each_reading_once(nvml, clock):
    meter = GpuMeter(CUDA)
    assert meter.read()
    clock.seconds += 0.5
    assert meter.read() == {}
    clock.seconds += 0.6
    nvml.nvmlDeviceGetPowerUsage = lambda handle: 100_000
    assert meter.read()["gpu_power_watts"] == 100.0
    assert meter.means() == {"gpu_utilization_percent": 80.0, "gpu_power_watts": 200.0}


def test_a_cpu_has_no_figures_and_no_problem(nvml):
    meter = GpuMeter(torch.device("cpu"))
    assert (meter.read(), meter.means(), meter.problem) == ({}, {}, "")


def test_without_the_package_the_extra_is_named_and_training_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meter = GpuMeter(CUDA)
    assert (meter.read(), meter.means()) == ({}, {})
    assert meter.problem.endswith('Add it with: pip install "ft-platform[gpu]"')


@pytest.mark.parametrize(
    "error", [FakeNvml.NVMLError_DriverNotLoaded(), FakeNvml.NVMLError("not supported on a slice")]
)
def test_a_driver_that_does_not_answer_is_named_once_and_training_goes_on(nvml, error):
    nvml.broken = error
    meter = GpuMeter(CUDA)
    assert meter.read() == {}
    assert meter.problem.startswith("NVML does not tell utilization and power of this GPU: ")
    nvml.broken = None
    assert meter.read() == {}, "not asked again at every step"


def test_the_figures_reach_the_live_progress_the_curve_and_the_metrics_of_a_checkpoint(nvml, monkeypatch, data):
    monkeypatch.setattr("ft_platform.training.loop.GpuMeter", lambda _device: GpuMeter(CUDA))
    monkeypatch.setattr(gpu, "SECONDS", 0.0)
    updates = []
    with progress.listening(updates.append):
        training = Training(max_steps=2, batch_rows=8, rank=4)
        run = train(add_adapter(tiny_model(), training), AnswerLoss(packed_forward, data[0]), *data[1:], training)
    assert [u.fields["gpu_power_watts"] for u in updates if u.unit == "steps"] == [300.0, 300.0]
    assert [point.get("gpu_utilization_percent") for point in run.curve] == [None, 80.0, 80.0]
    assert (run.metrics()["gpu_utilization_percent"], run.metrics()["gpu_power_watts"]) == (80.0, 300.0)
