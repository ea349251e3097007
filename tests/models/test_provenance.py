"""What decides a model's weights, and what the code's part in it is."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gan_pipelines
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import EncoderSpec, InfoGAN, InfoGANSpec
from gan_pipelines.models.provenance import TRAINING_CODE, Provenance, code_version
from gan_pipelines.parameters import ClassifierParameters, RunParameters
from gan_pipelines.training.classifier import fit_classifier

PACKAGE = Path(gan_pipelines.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's sources in a folder of their own."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "gan_pipelines", ignore=shutil.ignore_patterns("__pycache__")))


def version_of(package: Path) -> str:
    """The version that a copy of the package gives itself."""
    spec = importlib.util.spec_from_file_location("copied_provenance", package / "models" / "provenance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: str = module.code_version()
    return found


def test_the_code_has_a_version_and_a_digest(copy: Path) -> None:
    version, digest = code_version().split("+")
    assert version == gan_pipelines.__version__
    assert len(digest) == 16
    int(digest, 16)
    assert version_of(copy) == code_version()  # wherever it lies


@pytest.mark.parametrize("part", TRAINING_CODE)
def test_code_that_a_training_runs_through_makes_another_digest(copy: Path, part: str) -> None:
    file = max((copy / part).glob("*.py"))
    file.write_text(file.read_text() + "\n# changed\n")
    assert version_of(copy) != code_version()


def test_a_module_renamed_or_added_makes_another_digest(copy: Path) -> None:
    (copy / "losses" / "adversarial.py").rename(copy / "losses" / "opponents.py")
    renamed = version_of(copy)
    (copy / "losses" / "opponents.py").rename(copy / "losses" / "adversarial.py")
    (copy / "losses" / "empty.py").touch()
    assert len({renamed, version_of(copy), code_version()}) == 3


def test_code_that_no_training_runs_through_makes_no_other_digest(copy: Path) -> None:
    for name in ("hooks.py", "reporting/curves.py", "pipelines/judge/nodes.py"):
        (copy / name).write_text("# gone\n")
    assert version_of(copy) == code_version()


def test_a_trained_model_says_what_decided_its_weights(
    encoder_spec: EncoderSpec, images: LabelledImages, recorder: Callable
) -> None:
    parameters = ClassifierParameters.model_validate(
        {"stages": encoder_spec.model_dump()["blocks"], "training": {"steps": 1, "batch_size": 16}}
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
    assert model.spec.provenance.threads == threads  # those that torch takes by itself


def test_a_model_that_was_not_trained_has_no_provenance(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    assert InfoGAN(infogan_spec()).spec.provenance is None
