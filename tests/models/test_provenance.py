"""What decides a model's weights is stored with it."""

from collections.abc import Callable
from pathlib import Path

import torch

import gan_pipelines
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import EncoderSpec, InfoGAN, InfoGANSpec
from gan_pipelines.models.code_digest import digest_code
from gan_pipelines.models.provenance import Provenance, code_version
from gan_pipelines.parameters import ClassifierParameters, RunParameters
from gan_pipelines.training.classifier import fit_classifier
from tests.conftest import blocks_of


def test_the_code_has_a_version_and_a_digest() -> None:
    version, digest = code_version().split("+")
    assert version == gan_pipelines.__version__
    assert digest == digest_code(Path(gan_pipelines.__file__).parent)[:16]


def test_a_trained_model_stores_what_decided_its_weights(
    encoder_spec: EncoderSpec, images: LabelledImages, recorder: Callable
) -> None:
    parameters = ClassifierParameters.model_validate(
        {"blocks": blocks_of(encoder_spec.model_dump()["blocks"]), "training": {"steps": 1, "batch_size": 16}}
    )
    run = RunParameters(seed=5, threads=2, deterministic=True)
    model, _, _ = fit_classifier(run, "judge", parameters, images, images, recorder())
    found = model.spec.provenance
    assert found is not None
    capability = torch.backends.cpu.get_cpu_capability()
    assert found == Provenance(
        stage="judge",
        parameters=parameters.model_dump(mode="json"),
        inputs={"images": images.digest()},
        seed=5,
        code=code_version(),
        torch=torch.__version__,
        device=f"cpu ({capability})",
        threads=2,
        workers=1,
        precision="float32",
        compile="off",
        deterministic=True,
    )
    threads = torch.get_num_threads()
    model, _, _ = fit_classifier(RunParameters(), "judge", parameters, images, images, recorder())
    assert model.spec.provenance is not None
    assert model.spec.provenance.threads == threads  # torch's default


def test_a_model_that_was_not_trained_has_no_provenance(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    assert InfoGAN(infogan_spec()).spec.provenance is None
