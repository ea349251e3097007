"""Names of metrics are read back as they were written; tables become metrics under these names."""

from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_pipelines.metrics import SCORES, Score
from gan_pipelines.metrics.scores import missing_score
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.tracking import ablation_metrics, score_metrics, stage_metrics
from gan_pipelines.tracking.names import PARTS, is_setting, metric_name, parse_metric_name, verdict_tag

WORDS = st.text("abz_09", min_size=1, max_size=8)


@given(WORDS, st.sampled_from(list(SCORES)), WORDS, st.integers(0, 10**9), st.sampled_from(PARTS))
def test_a_metric_name_is_read_back_as_it_was_written(
    generator: str, score: str, space: str, samples: int, part: str
) -> None:
    fields = (generator, score, space, samples, part)
    assert parse_metric_name(metric_name(*fields)) == fields


def test_intervals_that_earlier_versions_recorded_are_read() -> None:
    found = parse_metric_name("joint_stack/interval/coverage.judge.10.low")
    assert found == ("joint_stack", "coverage", "judge", 10, "low")


@pytest.mark.parametrize("generator", ["interval", "adv.seed_0", "a b"])
def test_generators_may_have_odd_names(generator: str) -> None:
    for part in PARTS:
        fields = (generator, "coverage", "judge", 200, part)
        assert parse_metric_name(metric_name(*fields)) == fields


@pytest.mark.parametrize(
    "name",
    [
        "joint_stack/unknown.judge.10",
        "judge.test_accuracy",
        "category.information_nats",
        "images_per_second",
        "joint_stack/coverage.judge",
        "joint_stack/coverage.judge.10.low",
        "joint_stack/interval/coverage.judge.10",
        "joint_stack/interval/coverage.judge.10.mean",
        "a/coverage.judge.10\n",
    ],
)
def test_other_names_are_no_scores(name: str) -> None:
    assert parse_metric_name(name) is None


def test_a_setting_is_a_tag_that_two_runs_can_share() -> None:
    own = ["mlflow.user", "mlflow.runName", verdict_tag("joint_stack"), "process", "version"]
    shared = ["mlflow.source.git.commit", "mlflow.source.git.dirty", "data_sha256", "code", "pipeline", "host"]
    assert [is_setting(tag) for tag in own + shared] == [False] * len(own) + [True] * len(shared)


def test_metrics_are_the_scores_of_all_classes_with_their_intervals(kept: Callable[..., pd.DataFrame]) -> None:
    table = score_table(
        [
            Score("frechet_distance", "judge", 10000, 1234.56, 1134.56, 1334.56),
            Score("kernel_distance", "judge", 10000, 0.5, 0.25, 0.75, expected=0.0),
            Score("label_accuracy", "judge", 5000, 0.25, 0.0, 0.5, of_class="cat"),
            Score("copies", "pixels", 10000, 0.1, 0.1, 0.1),
            missing_score("neighbour_distance", "judge", 10000, "nothing near"),
        ]
    )
    assert score_metrics(kept(table), "infogan") == {
        "infogan/frechet_distance.judge.10000": 1234.56,
        "uncertainty/infogan/frechet_distance.judge.10000.low": 1134.56,
        "uncertainty/infogan/frechet_distance.judge.10000.high": 1334.56,
        "infogan/kernel_distance.judge.10000": 0.5,
        "uncertainty/infogan/kernel_distance.judge.10000.low": 0.25,
        "uncertainty/infogan/kernel_distance.judge.10000.high": 0.75,
        "uncertainty/infogan/kernel_distance.judge.10000.expected": 0.0,
        "infogan/copies.pixels.10000": 0.1,
        "uncertainty/infogan/copies.pixels.10000.low": 0.1,
        "uncertainty/infogan/copies.pixels.10000.high": 0.1,
    }


def test_codes_are_the_spaces_of_their_metrics(kept: Callable[..., pd.DataFrame]) -> None:
    scores = [Score("information_nats", "style_1", 100, 1.5, 1.25, 1.75), Score("prior_entropy_nats", "c", 100, 2.5)]
    assert score_metrics(kept(score_table(scores)), "infogan") == {
        "infogan/information_nats.style_1.100": 1.5,
        "uncertainty/infogan/information_nats.style_1.100.low": 1.25,
        "uncertainty/infogan/information_nats.style_1.100.high": 1.75,
        "infogan/prior_entropy_nats.c.100": 2.5,
    }


def test_ablation_metrics_are_means_and_their_spread_without_empty_cells() -> None:
    table = pd.DataFrame(
        {
            "row": ["adv", "real"],
            "samples": 200,
            "seeds": [3, 1],
            "paper_inception_score": ["6.16", "11.24"],
            "frechet_distance": [13.0, 0.5],
            "frechet_distance_std": [3.0, None],
            "label_accuracy": [None, 0.99],
            "label_accuracy_std": [None, None],
            "verdict": ["collapsed", ""],
        }
    )
    assert ablation_metrics(table) == {
        "adv/frechet_distance.judge.200": 13.0,
        "uncertainty/adv/frechet_distance.judge.200.spread": 3.0,
        "real/frechet_distance.judge.200": 0.5,
        "real/label_accuracy.judge.200": 0.99,
    }


def test_what_a_stage_measured_is_named_after_it() -> None:
    assert stage_metrics({"test_accuracy": 0.9}, "judge") == {"judge.test_accuracy": 0.9}
