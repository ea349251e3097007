"""Model files: models are rebuilt strictly from their spec."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from gan_pipelines import __version__
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.model_file import read_model, write_model
from gan_pipelines.models import Encoder, EncoderSpec, InfoGAN, InfoGANSpec, StackedGenerator, assemble_stack
from gan_pipelines.models.level import LevelGAN
from gan_pipelines.models.plan import plan_levels
from gan_pipelines.parameters import Experiment
from gan_pipelines.tensor_file import FileError, write_tensors


@pytest.fixture
def encoder(smoke_experiment: Experiment) -> Encoder:
    torch.manual_seed(0)
    spec = EncoderSpec(
        blocks=smoke_experiment.classifier.networks,
        initialisation=smoke_experiment.classifier.initialisation,
        image_shape=(1, 28, 28),
        classes=tuple("0123456789"),
        data_digest="digest",
    )
    return Encoder(spec).freeze()


@pytest.fixture
def stack(smoke_experiment: Experiment, encoder: Encoder) -> StackedGenerator:
    levels = [LevelGAN(spec) for spec in plan_levels(smoke_experiment.sgan, encoder).values()]
    return assemble_stack(levels, encoder.spec.classes)


def test_a_model_is_rebuilt_with_its_spec_and_computes_the_same(tmp_path: Path, stack: StackedGenerator) -> None:
    write_model(tmp_path / "stack.safetensors", stack)
    again = read_model(tmp_path / "stack.safetensors")
    assert isinstance(again, StackedGenerator)
    assert again.spec == stack.spec
    labels = torch.arange(10)
    pictures = [model.sample(labels, torch.Generator().manual_seed(1)) for model in (stack, again)]
    assert_close(pictures[0], pictures[1], rtol=0, atol=0)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_a_level_is_rebuilt_with_its_averaged_generator(
    tmp_path: Path, smoke_experiment: Experiment, encoder: Encoder
) -> None:
    level = LevelGAN(plan_levels(smoke_experiment.sgan, encoder)["fc3"])
    write_model(tmp_path / "level.safetensors", level)
    again = read_model(tmp_path / "level.safetensors")
    assert isinstance(again, LevelGAN)
    assert again.averaged_generator is not None
    for name, value in level.state_dict().items():
        assert_close(again.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9], ids=["last weights", "averaged"])
def test_an_infogan_is_rebuilt_and_computes_the_same(
    tmp_path: Path, infogan_spec: Callable[..., InfoGANSpec], rng: torch.Generator, ema_decay: float
) -> None:
    gan = InfoGAN(infogan_spec(training={"steps": 1, "ema_decay": ema_decay}))
    write_model(tmp_path / "infogan.safetensors", gan)
    again = read_model(tmp_path / "infogan.safetensors")
    assert isinstance(again, InfoGAN)
    assert again.spec == gan.spec
    assert (again.averaged_generator is not None) == (ema_decay > 0)
    assert list(again.state_dict()) == list(gan.state_dict())
    for name, value in gan.state_dict().items():
        assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    latent = gan.noise.sample(5, rng), gan.codes.sample(5, rng)
    assert_close(again.pictures(*latent), gan.pictures(*latent), rtol=0, atol=0)


def test_equal_infogans_give_equal_files_and_others_do_not(
    tmp_path: Path, infogan_spec: Callable[..., InfoGANSpec]
) -> None:
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        torch.manual_seed(seed)
        write_model(tmp_path / name, InfoGAN(infogan_spec()))
    first, again, other = ((tmp_path / name).read_bytes() for name in ("first", "again", "other"))
    assert first == again != other


def test_reading_a_model_leaves_the_global_random_state_alone(tmp_path: Path, encoder: Encoder) -> None:
    write_model(tmp_path / "encoder.safetensors", encoder)
    before = torch.get_rng_state()
    read_model(tmp_path / "encoder.safetensors")
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


def test_the_same_model_gives_the_same_file(tmp_path: Path, encoder: Encoder) -> None:
    for name in ("a", "b"):
        write_model(tmp_path / name, encoder)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"absent\.safetensors: the file does not exist"):
        read_model(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, encoder: Encoder, kept: int) -> None:
    path = tmp_path / "encoder.safetensors"
    write_model(path, encoder)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileError, match=r"encoder\.safetensors: is not a complete safetensors file"):
        read_model(path)


def test_one_altered_byte_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "encoder.safetensors"
    write_model(path, encoder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(FileError, match="SHA-256"):
        read_model(path)


def test_tensors_that_do_not_fit_the_spec_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "encoder.safetensors"
    tensors = encoder.state_dict() | {"blocks.fc3.1.weight": torch.zeros(3, 3)}
    write_tensors(path, tensors, encoder.spec.model_dump(mode="json"))
    with pytest.raises(
        FileError, match=r"blocks\.fc3\.1\.weight is float32 of shape \(3, 3\), but the spec requires .*\(32, 288\)"
    ):
        read_model(path)


def test_an_extra_tensor_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "encoder.safetensors"
    tensors = encoder.state_dict() | {"extra": torch.zeros(1)}
    write_tensors(path, tensors, encoder.spec.model_dump(mode="json"))
    with pytest.raises(FileError, match=r"extra is float32 of shape \(1,\), but the spec requires nothing"):
        read_model(path)


def test_tensors_of_another_precision_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "encoder.safetensors"
    tensors = {name: value.double() for name, value in encoder.state_dict().items()}
    write_tensors(path, tensors, encoder.spec.model_dump(mode="json"))
    with pytest.raises(FileError, match=r"is float64 of shape .*, but the spec requires float32 of shape"):
        read_model(path)


@pytest.mark.parametrize("strange", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, encoder: Encoder, strange: float) -> None:
    path = tmp_path / "encoder.safetensors"
    tensors = {name: value.clone() for name, value in encoder.state_dict().items()}
    tensors["blocks.fc3.1.weight"][0, 0] = strange
    write_tensors(path, tensors, encoder.spec.model_dump(mode="json"))
    with pytest.raises(FileError, match=r"blocks\.fc3\.1\.weight has values that are not finite"):
        read_model(path)


def test_an_unknown_spec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    write_tensors(path, {"x": torch.zeros(1)}, {"kind": "transformer"})
    with pytest.raises(FileError, match="its spec is no encoder, level, stack or InfoGAN"):
        read_model(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"condition_shape": []},
        {"condition_shape": [0]},
        {"target_shape": [-1, 28, 28]},
        {"target": "a.b"},
        {"target": ""},
    ],
)
def test_a_level_of_impossible_shapes_is_refused(
    tmp_path: Path, stack: StackedGenerator, changed: dict[str, object]
) -> None:
    described = stack.spec.levels[0].model_dump(mode="json") | changed
    write_tensors(tmp_path / "level.safetensors", stack.state_dict(), described)
    with pytest.raises(FileError, match=r"level\.safetensors: its spec is no encoder, level"):
        read_model(tmp_path / "level.safetensors")


@pytest.mark.parametrize("changed", [{"classes": ["0", "1"]}, {"classes": []}, {"levels": []}])
def test_a_stack_that_does_not_connect_is_refused(
    tmp_path: Path, stack: StackedGenerator, changed: dict[str, object]
) -> None:
    described = stack.spec.model_dump(mode="json") | changed
    write_tensors(tmp_path / "stack.safetensors", stack.state_dict(), described)
    with pytest.raises(FileError, match=r"stack\.safetensors: its spec is no encoder, level, stack"):
        read_model(tmp_path / "stack.safetensors")


def test_plain_safetensors_can_open_a_model_file_and_its_description(tmp_path: Path, encoder: Encoder) -> None:
    from safetensors import safe_open

    path = tmp_path / "encoder.safetensors"
    write_model(path, encoder)
    assert set(load_file(path)) == set(encoder.state_dict())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    header = json.loads(metadata["gan_pipelines"])
    assert json.loads(header["description"])["kind"] == "encoder"
    assert json.loads(header["description"])["data_digest"] == "digest"
    assert header["version"] == __version__


def test_images_keep_their_classes(tmp_path: Path) -> None:
    from gan_pipelines.datasets import ImagesDataset

    data = LabelledImages(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 1, 0]), ("cat", "dog"))
    dataset = ImagesDataset(filepath=str(tmp_path / "images.safetensors"))
    dataset.save(data)
    again = dataset.load()
    assert again.classes == ("cat", "dog")
    assert again.digest() == data.digest()
