"""A stage's draws depend on the experiment's seed and the stage's name, on nothing else."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.parameters import ExperimentError, RunParameters
from gan_pipelines.training.machine import find_device
from gan_pipelines.training.stage import seeded_stage, stage_seed

RUN = RunParameters(seed=7)


def draw(run: RunParameters, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What a stage draws from its own stream, and from torch's global state."""
    with seeded_stage(run, name) as stage:
        return torch.rand(8, generator=stage.rng), torch.rand(8)


def test_the_seed_of_a_stage_is_63_bits_of_a_hash() -> None:
    seeds = [stage_seed(seed, name) for seed in range(100) for name in ("encoder", "pixels", "joint")]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # they use the whole range
    assert len(set(seeds)) == 300
    assert stage_seed(7, "pixels") == int(hashlib.sha256(b"7/pixels").hexdigest()[:16], 16) >> 1


def test_the_draws_of_a_stage_do_not_depend_on_the_global_state() -> None:
    torch.manual_seed(1)
    first = draw(RUN, "pixels")
    torch.manual_seed(2)
    torch.rand(5)
    for found, expected in zip(draw(RUN, "pixels"), first, strict=True):
        assert_close(found, expected, rtol=0, atol=0)


def test_the_draws_of_a_stage_do_not_depend_on_other_stages() -> None:
    alone = draw(RUN, "pixels")
    draw(RUN, "encoder")
    with seeded_stage(RUN, "fc3") as outer:
        torch.rand(3, generator=outer.rng)
        nested = draw(RUN, "pixels")
    for found, expected in zip(nested, alone, strict=True):
        assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("run", "name"), [(RUN, "fc3"), (RunParameters(seed=8), "pixels")], ids=["another name", "another seed"]
)
def test_another_stage_draws_something_else(run: RunParameters, name: str) -> None:
    for found, other in zip(draw(RUN, "pixels"), draw(run, name), strict=True):
        assert not torch.isclose(found, other).any()


def test_the_seed_and_the_name_cannot_be_confused() -> None:
    assert stage_seed(1, "2/encoder") != stage_seed(12, "encoder")
    assert len({stage_seed(seed, name) for seed in range(20) for name in ("1", "11", "encoder", "1/encoder")}) == 80


def test_batches_and_initial_weights_come_from_different_streams() -> None:
    own, overall = draw(RUN, "pixels")
    assert not torch.isclose(own, overall).any()


def test_the_global_state_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    draw(RUN, "pixels")
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


def test_the_global_state_and_the_threads_are_restored_after_an_error() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(RuntimeError, match="shape"), seeded_stage(RunParameters(threads=threads + 1), "pixels"):
        torch.rand(3).reshape(2)
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    assert torch.get_num_threads() == threads


def test_the_thread_count_holds_within_the_stage_only() -> None:
    threads = torch.get_num_threads()
    with seeded_stage(RunParameters(threads=threads + 1), "pixels"):
        assert torch.get_num_threads() == threads + 1
    assert torch.get_num_threads() == threads


def test_the_thread_count_stays_where_none_is_asked_for() -> None:
    threads = torch.get_num_threads()
    with seeded_stage(RUN, "pixels"):
        assert torch.get_num_threads() == threads


def test_a_stage_knows_its_name_and_its_device() -> None:
    with seeded_stage(RUN, "pixels") as stage:
        assert (stage.name, stage.device, stage.rng.device) == ("pixels", torch.device("cpu"), torch.device("cpu"))


def test_a_device_that_is_not_there_is_refused_in_one_paragraph() -> None:
    with pytest.raises(ExperimentError) as error, seeded_stage(RunParameters(device="cuda:99"), "pixels"):
        raise AssertionError("the stage began")
    message = str(error.value)
    assert message.startswith("run.device: 'cuda:99' does not exist")
    assert "cpu, cuda, cuda:<index> and mps" in message
    assert "\n" not in message


def test_the_cpu_is_always_there() -> None:
    assert find_device("cpu") == torch.device("cpu")


def test_stages_in_threads_do_not_disturb_each_other() -> None:
    def draws(name: str) -> torch.Tensor:
        with seeded_stage(RunParameters(threads=1), name):
            return torch.cat([torch.rand(1000) for _ in range(50)])

    alone = {name: draws(name) for name in ("encoder", "judge")}
    with ThreadPoolExecutor(2) as pool:
        together = dict(zip(alone, pool.map(draws, alone), strict=True))
    for name, expected in alone.items():
        assert_close(together[name], expected, rtol=0, atol=0)
