"""Images per second of one InfoGAN update, against the two plain loops that public implementations use.

    .venv/bin/python benchmarks/infogan_step.py --repeats 5

All train the same networks, the paper's in conf/mnist without `random_affine`, on the same 5,000 digits in batches of
128, in one process and in turns. Both plain loops are fed by a DataLoader, picture by picture, and step plain Adam:

- `two optimisers`: G runs once, D three times with a full backward pass each (real, generated, generated again for G);
- `three optimisers`: a backward pass for G, one for D, and one for the information on newly generated pictures, after
  which G and D step a second time.

Nothing else should run on the machine meanwhile.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch
import yaml
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Resize, ToTensor
from torchvision.transforms.functional import to_pil_image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_source
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.parameters import InfoGANParameters, Mnist5k, RunParameters
from gan_pipelines.training.infogan import fit_infogan

PROJECT = Path(__file__).resolve().parents[1]
WARM_STEPS, STEPS = 5, 20
TRANSFORM = Compose([Resize(28), ToTensor()])


class Silent:
    """An observer that keeps nothing."""

    def start(self, steps: int, batch_size: int) -> None:
        """Nothing."""

    def report(self, step: int, metrics: object) -> None:
        """Nothing."""

    def show(self, step: int, pictures: Tensor) -> None:
        """Nothing."""


class Pictures(Dataset[Tensor]):
    """Digits one by one, as torchvision's data sets hand them out: a PIL picture, then a tensor."""

    def __init__(self, images: Tensor) -> None:
        self.pictures = [to_pil_image(image) for image in images]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        picture: Tensor = TRANSFORM(self.pictures[index])
        return picture


class PlainGAN:
    """The networks, the loader and the losses that both plain loops share."""

    def __init__(self, spec: InfoGANSpec, data: LabelledImages) -> None:
        self.gan, self.training = InfoGAN(spec), spec.parameters.training
        self.weights = spec.parameters.information_weights_at(self.training.steps)
        self.rng = torch.Generator().manual_seed(0)
        self.data = Pictures(data.images)
        self.ones = torch.ones(self.training.batch_size, 1)

    def adam(self, rate: float | None, *modules: nn.Module) -> torch.optim.Adam:
        """Plain Adam over all weights of some modules."""
        weights = itertools.chain(*(module.parameters() for module in modules))
        return torch.optim.Adam(weights, rate or self.training.learning_rate, (0.5, 0.999))

    def batches(self) -> Iterator[Tensor]:
        """Endless real batches."""
        while True:
            yield from DataLoader(self.data, self.training.batch_size, shuffle=True, drop_last=True)

    def generate(self) -> tuple[Tensor, Tensor]:
        """New pictures and their codes."""
        codes = self.gan.codes.sample(self.training.batch_size, self.rng)
        noise = self.gan.noise.sample(self.training.batch_size, self.rng)
        return self.gan.generator(torch.cat([noise, codes], dim=1)), codes

    def judge(self, pictures: Tensor, real: bool) -> Tensor:
        """Cross-entropy of D's verdict."""
        return bce(self.gan.discriminator(pictures).logits, self.ones if real else 1 - self.ones)

    def information(self, features: Tensor, codes: Tensor) -> Tensor:
        """Minus lambda L_I, but for its constant."""
        log_posterior = self.gan.codes.log_prob(codes, self.gan.discriminator.codes(features))
        return -torch.stack([self.weights[name] * log_posterior[name].mean() for name in self.weights]).sum()


def two_optimisers(plain: PlainGAN) -> Iterator[None]:
    """D on real and on generated pictures, then G and Q on the same pictures, judged anew."""
    d, g = plain.gan.discriminator, plain.gan.generator
    to_d = plain.adam(plain.training.discriminator_learning_rate, d.trunk, d.adversarial)
    to_g = plain.adam(None, g, d.codes)
    for real in plain.batches():
        to_d.zero_grad()
        plain.judge(real, real=True).backward()
        generated, codes = plain.generate()
        plain.judge(generated.detach(), real=False).backward()
        to_d.step()
        to_g.zero_grad()
        output = d(generated)
        (bce(output.logits, plain.ones) + plain.information(output.features, codes)).backward()
        to_g.step()
        yield


def three_optimisers(plain: PlainGAN) -> Iterator[None]:
    """G, then D, then the information with both of them."""
    d, g = plain.gan.discriminator, plain.gan.generator
    to_g, to_d = plain.adam(None, g), plain.adam(plain.training.discriminator_learning_rate, d)
    to_both = plain.adam(None, g, d)
    for real in plain.batches():
        to_g.zero_grad()
        generated, _ = plain.generate()
        plain.judge(generated, real=True).backward()
        to_g.step()
        to_d.zero_grad()
        (plain.judge(real, real=True) + plain.judge(generated.detach(), real=False)).backward()
        to_d.step()
        to_both.zero_grad()
        generated, codes = plain.generate()
        plain.information(d(generated).features, codes).backward()
        to_both.step()
        yield


def timed(updates: Iterator[None], batch_size: int) -> float:
    """Images per second of the next updates, after a warm-up."""
    for _ in itertools.islice(updates, WARM_STEPS):
        pass
    began = time.perf_counter()
    for _ in itertools.islice(updates, STEPS):
        pass
    return STEPS * batch_size / (time.perf_counter() - began)


def ours(spec: InfoGANSpec, data: LabelledImages) -> float:
    """Images per second of `fit_infogan`, after a warm-up."""
    _, history = fit_infogan(RunParameters(), spec, data.pixels(), Silent())
    return median(row["images_per_second"] for row in history[1:])


def paper_spec() -> InfoGANSpec:
    """The paper's networks and the published weights."""
    raw = yaml.safe_load((PROJECT / "conf/mnist/parameters_infogan.yml").read_text())["infogan"]
    raw["discriminator"]["trunk"] = [x for x in raw["discriminator"]["trunk"] if x["layer"] != "random_affine"]
    raw["information_weights"] = {"categorical": 1.0, "continuous": 0.1}
    raw["training"] |= {"steps": WARM_STEPS + STEPS, "batch_size": 128, "report_every_steps": WARM_STEPS}
    return InfoGANSpec(parameters=InfoGANParameters.model_validate(raw), image_shape=(1, 28, 28), data_digest="")


def main() -> None:
    """Print each repeat and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats, spec = parser.parse_args().repeats, paper_spec()
    data = read_source(Mnist5k(name="mnist_5k"), PROJECT, torch.Generator().manual_seed(0)).train
    runs: dict[str, Callable[[], float]] = {"ours": partial(ours, spec, data)}
    for name, loop in {"two optimisers": two_optimisers, "three optimisers": three_optimisers}.items():
        runs[name] = partial(timed, loop(PlainGAN(spec, data)), spec.parameters.training.batch_size)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name, run in runs.items():
            rates[name].append(run())
            print(f"repeat {repeat}, {name}: {rates[name][-1]:.0f} images/s", flush=True)
    medians = {name: median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"{name}: {rate:.0f} images/s; ours is {medians['ours'] / rate:.2f} times as fast")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
