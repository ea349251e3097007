"""The encoder that an InfoGAN's trunk and head make: its answers are those of Q, its names those of a classifier."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.models.infogan_encoder import infogan_encoder, plan_infogan_encoder
from gan_pipelines.parameters import LABELS, PIXELS, ExperimentError
from tests.conftest import PROVENANCE

CONV = {"layer": "conv", "channels": 4, "kernel": 3, "stride": 2, "padding": 1}
TRUNK = [
    {"layer": "random_affine", "distortion": 0.2, "shift_pixels": 1.0},
    {**CONV, "channels": 3},
    {"layer": "leaky_relu", "slope": 0.1},
    CONV,
    {"layer": "spectral_norm"},
    {"layer": "batch_norm"},
    {"layer": "leaky_relu", "slope": 0.1},
    {"layer": "linear", "features": 16},
    {"layer": "leaky_relu", "slope": 0.1},
]
HEAD = [{"layer": "linear", "features": "target"}]
CONTINUOUS = {"distribution": "uniform", "low": -1.0, "high": 1.0, "variance": "fixed", "traversal": [-1.0, 1.0]}
Spec = Callable[..., InfoGANSpec]


@pytest.fixture
def spec(infogan_spec: Spec) -> Spec:
    def build(codes: object = None, head: object = HEAD, trunk: object = TRUNK) -> InfoGANSpec:
        replaced = {} if codes is None else {"codes": codes}
        return infogan_spec(discriminator={"trunk": trunk, "adversarial": HEAD, "codes": head}, **replaced)

    return build


def test_its_answers_are_the_logits_of_q_for_the_categories(spec: Spec, rng: torch.Generator) -> None:
    style = {**CONTINUOUS, "count": 2, "variance": "learned"}
    category = {"distribution": "categorical", "classes": 5}
    for codes in ({"style": style, "category": category}, {"category": category, "style": style}):
        gan = InfoGAN(spec(codes)).eval()
        images = torch.rand(6, 1, 8, 8, generator=rng)
        probabilities = gan.codes.posterior_mean(gan.infer(images))["category"]
        logits = infogan_encoder(gan)(images)
        assert logits.shape == (6, 5)
        assert_close(logits.softmax(dim=1), probabilities)


def test_its_answers_do_not_change_with_the_training_mode_of_the_gan(spec: Spec, rng: torch.Generator) -> None:
    gan, images = InfoGAN(spec()), torch.rand(6, 1, 8, 8, generator=rng)
    encoder = infogan_encoder(gan.train())
    assert_close(encoder(images), infogan_encoder(gan.eval())(images), rtol=0, atol=0)
    assert_close(encoder(images), encoder(images), rtol=0, atol=0)  # nothing distorts


def test_representations_are_named_by_kind_and_place_and_end_before_the_next_layer_with_weights(
    spec: Spec, rng: torch.Generator
) -> None:
    gan = InfoGAN(spec()).eval()
    images = torch.rand(6, 1, 8, 8, generator=rng)
    encoder = infogan_encoder(gan)
    assert list(encoder.shapes) == [PIXELS, "conv1", "conv2", "fc3", LABELS]
    found = encoder.representations(images)
    assert_close(found["fc3"], gan.discriminator.trunk(images))
    assert_close(found["conv1"], gan.discriminator.trunk[:3](images))
    assert encoder.shapes["conv2"] == (4, 2, 2)


def test_its_classes_are_the_categories_and_it_knows_the_gan_that_made_it(spec: Spec) -> None:
    gan = InfoGAN(spec().model_copy(update={"provenance": PROVENANCE}))
    encoder = infogan_encoder(gan)
    assert encoder.spec.classes == ("category 0", "category 1", "category 2", "category 3")
    assert encoder.spec.data_digest == gan.spec.data_digest
    assert encoder.spec.provenance is not None
    assert encoder.spec.provenance.inputs == {**PROVENANCE.inputs, "infogan": gan.digest()}
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_what_cannot_be_an_encoder_is_refused_by_name(spec: Spec) -> None:
    with pytest.raises(ExperimentError, match=r"infogan\.codes: .*categorical code; found width, which are continuous"):
        plan_infogan_encoder(spec({"width": CONTINUOUS}))
    with pytest.raises(ExperimentError, match=r"discriminator\.codes: must end in a linear layer.*found leaky_relu"):
        plan_infogan_encoder(spec(head=[*HEAD, {"layer": "leaky_relu"}]))
    with pytest.raises(ExperimentError, match=r"discriminator\.trunk: has neither a conv nor a linear layer"):
        plan_infogan_encoder(spec(trunk=[{"layer": "leaky_relu"}]))
