"""Devices, precision, compiled networks and deterministic kernels."""

import shutil
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import InfoGANSpec
from gan_pipelines.parameters import Experiment, ExperimentError, RunParameters
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.machine import find_device, require_machine
from gan_pipelines.training.stage import seeded_stage

TRAINING = {"steps": 4, "batch_size": 16, "learning_rate": 1e-3, "ema_decay": 0.9, "report_every_steps": 2}


def test_bfloat16_is_coarse_but_keeps_weights_averages_and_losses_in_float32(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable
) -> None:
    spec = infogan_spec(training=TRAINING)
    exact, wanted = fit_infogan(RunParameters(threads=1), spec, images.pixels(), recorder())
    coarse, rows = fit_infogan(RunParameters(threads=1, precision="bfloat16"), spec, images.pixels(), recorder())
    assert {value.dtype for value in coarse.state_dict().values()} == {torch.float32, torch.int64}
    for name, value in wanted[0].items():
        if name not in ("step", "images_per_second"):
            assert_close(rows[0][name], value, rtol=2e-2, atol=2e-2)
            assert rows[0][name] != value
    assert not torch.equal(coarse.generator[0].weight, exact.generator[0].weight)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_computations_inside_the_stage_are_cast(precision: str) -> None:
    with seeded_stage(RunParameters(precision=precision), "fc3") as stage:
        with stage.autocast():
            inside = torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype
        outside = torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype
    assert (inside, outside) == (getattr(torch, precision), torch.float32)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="PyTorch compiles with g++ or clang++")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.slow
def test_compiled_networks_train_as_they_do_uncompiled(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable
) -> None:
    spec = infogan_spec(batch_norm=False, training=TRAINING)
    expected, wanted = fit_infogan(RunParameters(threads=1), spec, images.pixels(), recorder())
    found, rows = fit_infogan(RunParameters(threads=1, compile="default"), spec, images.pixels(), recorder())
    for name, value in expected.state_dict().items():
        assert_close(found.state_dict()[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: name + text)
    for name, value in wanted[-1].items():
        if name != "images_per_second":
            assert_close(rows[-1][name], value, rtol=1e-3, atol=1e-4)
    assert found.generator._compiled_call_impl is None  # sampling runs uncompiled
    assert all(weight.grad is None for weight in found.parameters())  # a CUDA graph's memory goes with the graph


def test_deterministic_kernels_are_used_only_inside_the_stage() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with seeded_stage(RunParameters(deterministic=True), "fc3"):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_false_means_off_since_yaml_parses_off_as_false() -> None:
    assert RunParameters.model_validate({"compile": False}).compile == "off"


def test_the_device_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device("auto") == torch.device("cuda")


def test_missing_hardware_or_compilers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    require_machine(RunParameters(device="cuda"))
    with pytest.raises(ExperimentError, match=r"^run\.workers: .*this machine has 1; found 2"):
        require_machine(RunParameters(device="cuda", workers=2))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ExperimentError, match=r"^run\.compile: 'default' needs a C\+\+ compiler"):
        require_machine(RunParameters(device="cpu", compile="default"))
    with pytest.raises(ExperimentError, match=r"^run\.compile: 'graphs' are CUDA graphs, which cpu does not have"):
        require_machine(RunParameters(device="cpu", compile="graphs"))


def test_workers_that_do_not_divide_a_batch_are_refused(smoke_experiment: Experiment) -> None:
    raw = smoke_experiment.model_dump()
    raw["run"]["workers"] = 3
    with pytest.raises(ExperimentError, match=r"infogan\.training\.batch_size: must be a multiple of run\.workers, 3"):
        Experiment.read(raw)
    raw["run"]["workers"] = 50
    with pytest.raises(ExperimentError, match=r"at least twice as much; found 50"):
        Experiment.read(raw)
