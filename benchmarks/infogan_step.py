"""Images per second of one InfoGAN update, against the plain loop that public implementations share.

    .venv/bin/python benchmarks/infogan_step.py --repeats 5

Both train the same networks, those of the default experiment but for `random_affine`, on the same 5,000 digits in
batches of 128, in one process and in turns. The plain loop is fed by a DataLoader picture by picture, runs the
discriminator three times with a full backward pass each (real, generated, and generated again for G), and steps plain
Adam. Nothing else should run on the machine meanwhile.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
import yaml
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_pil_image, to_tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_source
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.parameters import InfoGANParameters, Mnist5k, RunParameters
from gan_pipelines.training.infogan import fit_infogan

PROJECT = Path(__file__).resolve().parents[1]
WARM_STEPS, STEPS = 5, 20


class Silent:
    """An observer that keeps nothing."""

    def start(self, steps: int, batch_size: int) -> None:
        """Nothing."""

    def report(self, step: int, metrics: object) -> None:
        """Nothing."""

    def show(self, step: int, pictures: Tensor) -> None:
        """Nothing."""


class Pictures(torch.utils.data.Dataset[Tensor]):
    """Digits one by one, as torchvision's data sets hand them out: a PIL picture, then a tensor."""

    def __init__(self, images: Tensor) -> None:
        self.pictures = [to_pil_image(image) for image in images]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return to_tensor(self.pictures[index])


def ours(spec: InfoGANSpec, data: LabelledImages) -> float:
    """Images per second of `fit_infogan`, after a warm-up."""
    _, history = fit_infogan(RunParameters(), spec, data.pixels(), Silent())
    return median(row["images_per_second"] for row in history[1:])


def plain(spec: InfoGANSpec, data: LabelledImages) -> Iterator[None]:
    """The plain loop, one update at a time."""
    gan, training = InfoGAN(spec), spec.parameters.training
    weights = spec.parameters.information_weights_at(training.steps)
    trunk, codes_head = gan.discriminator.trunk, gan.discriminator.codes
    to_d = torch.optim.Adam(
        itertools.chain(trunk.parameters(), gan.discriminator.adversarial.parameters()),
        training.discriminator_learning_rate or training.learning_rate,
        (0.5, 0.999),
    )
    to_g = torch.optim.Adam(
        itertools.chain(gan.generator.parameters(), codes_head.parameters()), training.learning_rate, (0.5, 0.999)
    )
    rng = torch.Generator().manual_seed(0)
    ones, zeros = torch.ones(training.batch_size, 1), torch.zeros(training.batch_size, 1)
    while True:
        for real in DataLoader(Pictures(data.images), training.batch_size, shuffle=True, drop_last=True):
            to_d.zero_grad()
            binary_cross_entropy_with_logits(gan.discriminator(real).logits, ones).backward()
            codes = gan.codes.sample(len(real), rng)
            generated = gan.generator(torch.cat([gan.noise.sample(len(real), rng), codes], dim=1))
            binary_cross_entropy_with_logits(gan.discriminator(generated.detach()).logits, zeros).backward()
            to_d.step()
            to_g.zero_grad()
            output = gan.discriminator(generated)
            log_posterior = gan.codes.log_prob(codes, codes_head(output.features))
            information = sum(weights[name] * log_posterior[name].mean() for name in log_posterior)
            (binary_cross_entropy_with_logits(output.logits, ones) - information).backward()
            to_g.step()
            yield


def timed(updates: Iterator[None], batch_size: int) -> float:
    """Images per second of the next updates."""
    for _ in itertools.islice(updates, WARM_STEPS):
        pass
    began = time.perf_counter()
    for _ in itertools.islice(updates, STEPS):
        pass
    return STEPS * batch_size / (time.perf_counter() - began)


def main() -> None:
    """Print each repeat and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    raw = yaml.safe_load((PROJECT / "conf/base/parameters_infogan.yml").read_text())["infogan"]
    raw["discriminator"]["trunk"] = [x for x in raw["discriminator"]["trunk"] if x["layer"] != "random_affine"]
    raw["training"] |= {
        "steps": WARM_STEPS + STEPS,
        "batch_size": 128,
        "report_every_steps": WARM_STEPS,
        "ema_decay": 0,
    }
    source = Mnist5k(name="mnist_5k")
    data = read_source(source, PROJECT, torch.Generator().manual_seed(0)).train
    spec = InfoGANSpec(parameters=InfoGANParameters.model_validate(raw), image_shape=(1, 28, 28), data_digest="")
    loop = plain(spec, data)
    runs: dict[str, Callable[[], float]] = {"plain": lambda: timed(loop, 128), "ours": lambda: ours(spec, data)}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name, run in runs.items():
            rates[name].append(run())
            print(f"repeat {repeat} {name}: {rates[name][-1]:.0f} images/s", flush=True)
    medians = {name: median(values) for name, values in rates.items()}
    print(
        f"plain {medians['plain']:.0f}, ours {medians['ours']:.0f} images/s: {medians['ours'] / medians['plain']:.2f} x"
    )
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
