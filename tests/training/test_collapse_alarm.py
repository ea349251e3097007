"""The alarm of a generator whose outputs hardly vary."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.training.collapse import CollapseAlarm
from gan_pipelines.training.level import variance_ratio
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage


def test_the_ratio_is_that_of_mean_variances_over_entries(rng: torch.Generator) -> None:
    real, generated = torch.randn(50, 2, 3, 3, generator=rng), 0.1 * torch.randn(50, 2, 3, 3, generator=rng)
    expected = generated.flatten(1).var(dim=0).mean() / real.flatten(1).var(dim=0).mean()
    assert_close(variance_ratio(real, generated, Ranks()), expected)
    assert variance_ratio(real, generated[:1].expand(50, -1, -1, -1), Ranks()) < 1e-12


def test_the_alarm_is_raised_once_per_generator_and_not_at_the_start(
    stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture
) -> None:
    alarm = CollapseAlarm(stage(name="joint"), steps=1500)
    rows = [(100, 0.01, 0.5), (150, 0.01, 0.5), (200, 0.02, 0.5), (300, 0.01, 0.5), (400, 0.5, 0.09)]
    with caplog.at_level(logging.WARNING):
        for step, upper, lower in rows:
            alarm.watch({"step": step, "fc3.variance_ratio": upper, "pixels.variance_ratio": lower, "loss": 0.0})
    first, second = caplog.messages
    assert first.startswith("joint: at step 200 the generated fc3 vary 0.020 times")
    assert second.startswith("joint: at step 400 the generated pixels vary 0.090 times")


def test_short_trainings_raise_no_alarm(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    alarm = CollapseAlarm(stage(), steps=100)
    alarm.watch({"step": 100, "variance_ratio": 0.0})
    assert not caplog.messages
