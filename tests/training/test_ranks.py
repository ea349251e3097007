"""Two ranks train the same as one process; PyTorch's launcher starts real processes, which communicate by gloo."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, Representation, to_unit_range
from gan_pipelines.models import Encoder, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.parameters import CheckpointParameters, JointParameters, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.divergence import TrainingDiverged
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.interruption import Interrupted, stop_on_signals
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.ranks import Ranks

TRAINING = {"steps": 6, "batch_size": 16, "learning_rate": 1e-3, "ema_decay": 0.9, "report_every_steps": 2}
ALONE, TOGETHER = RunParameters(seed=5, threads=1), RunParameters(seed=5, threads=1, workers=2)
Rows = list[dict[str, float]]


def losses(rows: Rows) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]


def assert_same_training(found: torch.nn.Module, expected: torch.nn.Module, rows: Rows, wanted: Rows) -> None:
    """Losses, weights and buffers agree, except for biases before a batch norm.

    Those have no gradient but rounding noise, to which Adam gives its full rate.
    """
    assert_close(losses(rows), losses(wanted), rtol=1e-4, atol=1e-5)
    normed = {
        f"{path}.{index - 1}.bias" if path else f"{index - 1}.bias"
        for path, part in expected.named_modules()
        if isinstance(part, torch.nn.Sequential)
        for index, layer in enumerate(part)
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)
    }
    assert normed, "the test is about batch norm too"
    for name, value in expected.state_dict().items():
        if name not in normed and "running" not in name:
            assert_close(found.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: name + text)


@pytest.fixture
def real(encoder: Encoder, images: LabelledImages) -> dict[str, Representation]:
    with torch.no_grad():
        found = encoder.representations(to_unit_range(images.images))
    inner = {name: Representation(name, found[name]) for name in ("block1", "fc")}
    return {"pixels": images.pixels(), "labels": images.one_hot_labels(), **inner}


def listening_addresses() -> set[str]:
    """Addresses at which this process and the ranks accept connections."""
    me = psutil.Process()
    found = [socket for process in (me, *me.children(recursive=True)) for socket in process.net_connections("tcp")]
    return {socket.laddr.ip for socket in found if socket.status == psutil.CONN_LISTEN}


@pytest.mark.slow
def test_two_ranks_train_a_level_as_one_process_does(
    level_spec: Callable[..., LevelSpec], encoder: Encoder, real: dict[str, Representation], recorder: Callable
) -> None:
    spec = level_spec("pixels", "fc", training=TRAINING, condition_noise=0.1)
    arguments = (spec, encoder, real["pixels"], real["fc"])
    observer, open_to = recorder(lambda: open_to.update(listening_addresses())), set[str]()
    expected, wanted = fit_level(ALONE, *arguments, recorder())
    found, rows = fit_level(TOGETHER, *arguments, observer)
    assert_same_training(found, expected, rows, wanted)
    assert open_to <= {"127.0.0.1", "::1"}
    assert observer.started == [(6, 16)]
    assert [step for step, _ in observer.reports] == [2, 4, 6]
    assert [step for step, _ in observer.shown][-1] == 6
    assert found.spec.provenance is not None
    assert (found.spec.provenance.workers, found.spec.provenance.threads) == (2, 1)


@pytest.mark.slow
def test_two_ranks_train_a_stack_end_to_end_as_one_process_does(
    levels: Callable[..., list[LevelGAN]], encoder: Encoder, real: dict[str, Representation], recorder: Callable
) -> None:
    chain = levels(2, training=TRAINING)
    parameters = JointParameters.model_validate({"upstream_weight": 0.3, "training": TRAINING})
    runs = [fit_joint(run, parameters, chain, encoder, real, real["labels"], recorder()) for run in (ALONE, TOGETHER)]
    (expected, wanted), (found, rows) = ((torch.nn.ModuleList(stack), history) for stack, history in runs)
    assert_same_training(found, expected, rows, wanted)


@pytest.mark.slow
def test_two_ranks_train_an_infogan_as_one_process_does(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable
) -> None:
    spec = infogan_spec(training=TRAINING)
    expected, wanted = fit_infogan(ALONE, spec, images.pixels(), recorder())
    found, rows = fit_infogan(TOGETHER, spec, images.pixels(), recorder())
    assert_same_training(found, expected, rows, wanted)


@pytest.mark.slow
def test_a_divergence_in_a_rank_is_reported_unchanged(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable
) -> None:
    spec = infogan_spec(training={**TRAINING, "learning_rate": 1e30})
    with pytest.raises(TrainingDiverged, match=r"^Training of infogan diverged at step \d"):
        fit_infogan(TOGETHER, spec, images.pixels(), recorder())


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop_on_signals()
    yield
    stop_on_signals()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.slow
def test_interrupted_ranks_resume_bit_for_bit(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable, tmp_path: Path
) -> None:
    affine = [{"layer": "random_affine", "distortion": 0.2, "shift_pixels": 1.0}]  # each rank draws its own maps
    plain = infogan_spec(training={**TRAINING, "steps": 40, "report_every_steps": 1})
    discriminator = plain.parameters.discriminator.model_dump()
    discriminator["trunk"] = [*affine, *discriminator["trunk"]]
    spec = infogan_spec(training=plain.parameters.training.model_dump(), discriminator=discriminator)
    run = TOGETHER.model_copy(update={"checkpoints": CheckpointParameters(every_seconds=None)})
    expected, wanted = fit_infogan(run, spec, images.pixels(), recorder())
    told: list[None] = []

    def tell() -> None:
        if not told:
            told.append(os.kill(os.getpid(), signal.SIGTERM))

    with pytest.raises(Interrupted) as stop:
        fit_infogan(run, spec, images.pixels(), recorder(tell), CheckpointFolder(tmp_path))
    assert stop.value.code == 128 + signal.SIGTERM
    stop_on_signals()
    observer = recorder()
    found, rows = fit_infogan(run, spec, images.pixels(), observer, CheckpointFolder(tmp_path))
    assert observer.resumed[0] is not None
    assert 1 <= observer.resumed[0].step < 40
    assert losses(rows) == losses(wanted)
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_a_single_process_is_rank_0_of_1_and_keeps_whole_batches() -> None:
    ranks, batch = Ranks(), torch.arange(6)
    assert (ranks.rank, ranks.count, ranks.is_first) == (0, 1, True)
    assert ranks.shard(batch) is batch
    assert ranks.broadcast("word") == "word"
    assert ranks.maximum(3) == 3
    assert ranks.mean(torch.tensor(2.0)).item() == 2.0
    assert [value.item() for value in ranks.gather(torch.tensor(4))] == [4]


@pytest.mark.parametrize(("count", "size"), [(2, 8), (3, 9), (4, 8)])
def test_the_shards_of_all_ranks_make_up_the_batch(count: int, size: int) -> None:
    shares = [Ranks(rank, count).shard(torch.arange(size)) for rank in range(count)]
    assert {len(share) for share in shares} == {size // count}
    assert sorted(torch.cat(shares).tolist()) == list(range(size))
