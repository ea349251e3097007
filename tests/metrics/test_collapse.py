"""What the entropy loss is for (SGAN, section 3.3): a stack trained without it is confident, but collapses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_source
from gan_pipelines.metrics import (
    Reference,
    Score,
    extract_labelled,
    extract_real_features,
    find_verdicts,
    judge_network,
    score_pictures,
)
from gan_pipelines.models import Encoder, assemble_stack
from gan_pipelines.models.encoder import encode
from gan_pipelines.models.plan import plan_levels
from gan_pipelines.parameters import ClassifierParameters, Experiment, Mnist5k, RunParameters, SGANParameters
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.observer import Observer

RUN = RunParameters(seed=0, threads=1)
STEPS = {"encoder": 300, "judge": 300, "fc3": 600, "pixels": 400}
Scores = Callable[[float], list[Score]]


@pytest.fixture
def scored(recorder: Callable[[], Observer], smoke_experiment: Experiment) -> Scores:
    """Scores of 1,000 digits of a small stack with the official Q, trained with a given weight of the entropy loss."""
    digits = read_source(Mnist5k(name="mnist_5k"), Path(), torch.Generator().manual_seed(0))

    def classifier(stage: str, smoke: ClassifierParameters) -> Encoder:
        block = smoke.model_dump()
        block["training"] |= {"steps": STEPS[stage]}
        parameters = type(smoke).model_validate(block)
        return fit_classifier(RUN, stage, parameters, digits.train, digits.test, recorder())[0]

    encoder = classifier("encoder", smoke_experiment.classifier)
    judge = classifier("judge", smoke_experiment.judge.classifier)
    (features,) = encode(encoder, digits.train.pixels(), ["fc3"])
    network = judge_network(judge, "features")
    real = extract_real_features(  # no verdict asks the second one
        {"judge": network}, judge, digits.train, digits.test, len(digits.train), torch.Generator()
    )
    reference = Reference(digits.train, digits.test, real)

    def of_stack(entropy: float) -> list[Score]:
        sgan = smoke_experiment.sgan.model_dump()
        for name, level in sgan["levels"].items():
            level["loss_weights"] = {"adversarial": 1.0, "conditional": 1.0, "entropy": entropy}
            level["discriminator"]["noise"] = [{"layer": "linear", "features": "target"}, {"layer": "sigmoid"}]
            level["condition_noise"] = 0.0
            level["training"] |= {"steps": STEPS[name], "learning_rate": 2e-3, "ema_decay": 0.95}
        specs = plan_levels(SGANParameters.model_validate(sgan), encoder, encoder.digest())
        upper, _ = fit_level(RUN, specs["fc3"], encoder, features, digits.train.one_hot_labels(), recorder())
        lower, _ = fit_level(RUN, specs["pixels"], encoder, digits.train.pixels(), features, recorder())
        labels, rng = torch.arange(1000) % 10, torch.Generator().manual_seed(1)
        stack = assemble_stack([upper, lower], digits.train.classes)
        samples = LabelledImages(stack.sample(labels, rng), labels, digits.train.classes)
        seen = extract_labelled(network, samples)
        opinion = seen.logits.argmax(dim=1)
        return score_pictures({"judge": seen}, opinion, samples, reference, "labelled", rng)

    return of_stack


def overall(scores: list[Score]) -> dict[tuple[str, str], Score]:
    return {(score.score, score.space): score for score in scores if not score.of_class}


@pytest.mark.slow
def test_without_the_entropy_loss_a_stack_has_a_higher_inception_score_but_collapses(
    scored: Scores,
) -> None:
    scores = scored(0.0)
    without, with_it = overall(scores), overall(scored(10.0))
    inception, diversity = ("inception_score", "judge"), ("within_class_diversity", "judge")
    assert with_it[inception].high < without[inception].low
    assert 6 < without[inception].value < 10
    assert 0.99 < without["label_accuracy", "judge"].value <= 1
    assert 0 <= without[diversity].value < 0.05
    assert 0.2 < with_it[diversity].value < 1
    assert "collapsed" in find_verdicts(scores)
    assert 0.9 < without["near_duplicates", "pixels"].value <= 1
