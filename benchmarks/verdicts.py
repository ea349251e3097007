"""How often broken generators get their verdict, and healthy ones one that they do not deserve.

    .venv/bin/python benchmarks/verdicts.py
    .venv/bin/python benchmarks/verdicts.py --repeats 100 --cifar10 data/01_raw/cifar10.npz

Models and images are the newest of a finished run of `sgan` and `infogan` in `--data`. Generators are broken on
purpose, and every repeat draws new samples. Real digits that nothing has learned from are half of the test images; the
other half is the reference then. With `--cifar10`, an npz file as for the source `npz`, colour pictures are scored by a
judge that is trained here: the first 20,000 training images are the data, later ones are never seen, and the mush is so
strong that the judge reads 72 % of what it reads in real images.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from gan_pipelines.data.images import LabelledImages, labels_in_proportion, stratified_indices
from gan_pipelines.data.sources import read_npz
from gan_pipelines.datasets import ImagesDataset
from gan_pipelines.metrics import (
    JUDGE,
    FeatureExtractor,
    Kind,
    LabelledFeatures,
    Reference,
    extract_labelled,
    extract_real_features,
    find_verdicts,
    judge_network,
    score_pictures,
)
from gan_pipelines.metrics.verdicts import COLLAPSED, COPIES, UNLIKE
from gan_pipelines.model_file import read_model
from gan_pipelines.models import Encoder, InfoGAN, StackedGenerator
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.observer import Silent
from measure import PROJECT, environment, print_table
from networks import default_judge

HEALTHY = ""
Wanted = TypeVar("Wanted")
MUSH_READ = 0.43 / 0.60
"""Label accuracy of the mush that a stack made of CIFAR-10, relative to the judge's on unseen images."""
COLOUR_TRAIN, COLOUR_TEST, COLOUR_STEPS = 20_000, 2_000, 500

Draw = Callable[[torch.Generator], tuple[LabelledImages, Reference]]


@dataclass(frozen=True)
class Case:
    """A generator.

    Attributes:
        expected: the verdict that it deserves; empty if none.
        draw: new samples, and what they are compared with.
        labelled: whether labels were asked for.
    """

    expected: str
    draw: Draw
    labelled: bool = True


def digit_cases(data: Path, experiment: str, samples: int) -> tuple[FeatureExtractor, dict[str, Case]]:
    """Digits: real ones, the generators of a run, and what is made of both."""
    judge, joint, independent, infogan = (
        read_model(newest(data / "06_models" / experiment, name))
        for name in ("judge", "joint_stack", "independent_stack", "infogan")
    )
    train, test = (
        ImagesDataset(filepath=str(newest(data / "03_primary" / experiment, name))).load()
        for name in ("train_images", "test_images")
    )
    network = judge_network(expect(judge, Encoder), "features")
    reference = reference_of(network, expect(judge, Encoder), train, test)
    good, fair, other = expect(joint, StackedGenerator), expect(independent, StackedGenerator), expect(infogan, InfoGAN)
    asked = labels_in_proportion(test.labels, samples)

    def stack(generator: StackedGenerator, labels: Tensor, rng: torch.Generator) -> LabelledImages:
        return LabelledImages(generator.sample(labels, rng), labels, test.classes)

    def replay(rng: torch.Generator) -> LabelledImages:
        return train.subset(torch.randperm(len(train), generator=rng)[:samples])

    def one_class(rng: torch.Generator) -> LabelledImages:
        only = int(torch.randint(len(test.classes), (), generator=rng))
        return replace(stack(good, torch.full_like(asked, only), rng), labels=asked)

    def repeated(pictures: int, classes: int, rng: torch.Generator) -> LabelledImages:
        """A fixed number of pictures in each of some classes, honest ones in the others."""
        honest = stack(good, asked, rng)
        images = honest.images.clone()
        for label in torch.randperm(len(test.classes), generator=rng)[:classes].tolist():
            rows = (asked == label).nonzero().squeeze(1)
            images[rows] = honest.images[rows[torch.arange(len(rows)) % pictures]]
        return replace(honest, images=images)

    def mixed(share: float, rng: torch.Generator) -> LabelledImages:
        honest, copied = stack(good, asked, rng), replay(rng)
        count = round(share * samples)
        return LabelledImages(
            torch.cat([copied.images[:count], honest.images[count:]]),
            torch.cat([copied.labels[:count], honest.labels[count:]]),
            test.classes,
        )

    def unseen(rng: torch.Generator) -> tuple[LabelledImages, Reference]:
        half = stratified_indices(test.labels, len(test) // 2, rng)
        others = torch.ones(len(test), dtype=torch.bool)
        others[half] = False
        return test.subset(half), against(reference, others.nonzero().squeeze(1))

    def unlabelled(rng: torch.Generator) -> LabelledImages:
        return LabelledImages(other.sample(samples, rng)[0], torch.zeros_like(asked), ("sample",))

    unequal = with_unequal_classes(network, expect(judge, Encoder), train, test)
    proportions = labels_in_proportion(unequal.test_images.labels, samples)

    def usual(draw: Callable[[torch.Generator], LabelledImages]) -> Draw:
        return lambda rng: (draw(rng), reference)

    return network, {
        "one class only": Case(COLLAPSED, usual(one_class)),
        "one picture in 7 of 10 classes": Case(COLLAPSED, usual(lambda rng: repeated(1, 7, rng))),
        "two pictures a class": Case(COLLAPSED, usual(lambda rng: repeated(2, 10, rng))),
        "noise ignored: one picture a label": Case(COLLAPSED, usual(lambda rng: repeated(1, 10, rng))),
        "training images": Case(COPIES, usual(replay)),
        "training images, shifted by a pixel": Case(COPIES, usual(lambda rng: shifted(replay(rng), rng))),
        "30 % training images": Case(COPIES, usual(lambda rng: mixed(0.3, rng))),
        "real images never seen": Case(HEALTHY, unseen),
        "joint stack": Case(HEALTHY, usual(lambda rng: stack(good, asked, rng))),
        "independent stack": Case(HEALTHY, usual(lambda rng: stack(fair, asked, rng))),
        "InfoGAN, without labels": Case(HEALTHY, usual(unlabelled), labelled=False),
        "joint stack, classes of 100 to 10": Case(HEALTHY, lambda rng: (stack(good, proportions, rng), unequal)),
    }


def colour_cases(path: Path, samples: int) -> tuple[FeatureExtractor, dict[str, Case]]:
    """CIFAR-10: mush, and real pictures never seen."""
    source = read_npz(path)
    train = source.train.subset(torch.arange(COLOUR_TRAIN))
    unseen = source.train.subset(torch.arange(COLOUR_TRAIN, len(source.train)))
    rng = torch.Generator().manual_seed(0)
    test = source.test.subset(stratified_indices(source.test.labels, COLOUR_TEST, rng))
    judge = fit_classifier(RunParameters(), "judge", default_judge(COLOUR_STEPS), train, test, Silent())[0]
    network = judge_network(judge, "features")
    reference = reference_of(network, judge, train, test)

    def accuracy(strength: float) -> float:
        seen = extract_labelled(network, mush(test, strength))
        return (seen.logits.argmax(dim=1) == seen.labels).double().mean().item()

    strength = next(step / 50 for step in range(51) if accuracy(step / 50) <= MUSH_READ * accuracy(0.0))
    print(
        f"CIFAR-10: the judge reads {accuracy(0.0):.2f} of test images, {accuracy(strength):.2f} of the mush of them."
    )

    def fresh(rng: torch.Generator) -> LabelledImages:
        return unseen.subset(torch.randperm(len(unseen), generator=rng)[:samples])

    def nameless(rng: torch.Generator) -> LabelledImages:
        found = mush(fresh(rng), strength)
        return LabelledImages(found.images, torch.zeros_like(found.labels), ("sample",))

    return network, {
        "coloured mush": Case(UNLIKE, lambda rng: (mush(fresh(rng), strength), reference)),
        "coloured mush, without labels": Case(UNLIKE, lambda rng: (nameless(rng), reference), labelled=False),
        "coloured pictures never seen": Case(HEALTHY, lambda rng: (fresh(rng), reference)),
    }


def mush(pictures: LabelledImages, strength: float) -> LabelledImages:
    """Real pictures on their way to blurred grey-brown ones with a grid of 4 x 4 pixels."""
    images = pictures.images.float()
    blurred = avg_pool2d(pad(images, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    grey = blurred.mean(dim=1, keepdim=True) * 0.7 + 35 + torch.tensor([5.0, 0.0, -8.0])[:, None, None]
    grid = torch.zeros(images.shape[2:])
    grid[::4] += 12
    grid[:, ::4] += 12
    mixed = (1 - strength) * images + strength * (grey + grid)
    return replace(pictures, images=mixed.clamp(0, 255).to(torch.uint8))


def shifted(pictures: LabelledImages, rng: torch.Generator) -> LabelledImages:
    """Each picture moved by one pixel, in one of eight directions."""
    ways = torch.tensor([(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right])
    chosen = ways[torch.randint(len(ways), (len(pictures),), generator=rng)].tolist()
    moved = [image.roll(way, dims=(1, 2)) for image, way in zip(pictures.images, chosen, strict=True)]
    return replace(pictures, images=torch.stack(moved))


def against(reference: Reference, index: Tensor) -> Reference:
    """The reference with some of its test images."""
    features = reference.features
    found = features.test[JUDGE]
    test = {JUDGE: LabelledFeatures(found.features[index], found.logits[index], found.labels[index])}
    distances = {space: rows[index] for space, rows in features.test_distances.items()}
    opinion = features.second_opinion[index]
    chosen = replace(features, test=test, second_opinion=opinion, test_distances=distances)
    return replace(reference, test_images=reference.test_images.subset(index), features=chosen)


def reference_of(network: FeatureExtractor, judge: Encoder, train: LabelledImages, test: LabelledImages) -> Reference:
    """The real images; the judge is its own second judge, on which no verdict depends."""
    return Reference(
        train, test, extract_real_features({JUDGE: network}, judge, train, test, len(train), torch.Generator())
    )


def with_unequal_classes(
    network: FeatureExtractor, judge: Encoder, train: LabelledImages, test: LabelledImages
) -> Reference:
    """A reference in which the class 0 has all its images, the class 1 half as many, then a third, and so on."""
    kept = []
    for side in (train, test):
        of_classes = [(side.labels == label).nonzero().squeeze(1) for label in range(len(side.classes))]
        kept.append(side.subset(torch.cat([rows[: len(rows) // (at + 1)] for at, rows in enumerate(of_classes)])))
    return reference_of(network, judge, *kept)


def newest(folder: Path, name: str) -> Path:
    """The newest version of a dataset."""
    found = sorted(folder.glob(f"{name}.safetensors/*/{name}.safetensors"))
    if not found:
        sys.exit(f"{folder / name}.safetensors: missing; `kedro run` with --pipelines=sgan, then infogan, makes it.")
    return found[-1]


def expect(model: object, kind: type[Wanted]) -> Wanted:
    """The model, which must be of that kind."""
    if not isinstance(model, kind):
        sys.exit(f"found a {type(model).__name__} instead of a {kind.__name__}")
    return model


def called(network: FeatureExtractor, case: Case, rng: torch.Generator) -> str:
    """The verdicts on new samples."""
    samples, reference = case.draw(rng)
    features = {JUDGE: extract_labelled(network, samples)}
    kind: Kind = "labelled" if case.labelled else "unlabelled"
    opinion = features[JUDGE].logits.argmax(dim=1)
    return ", ".join(find_verdicts(score_pictures(features, opinion, samples, reference, kind, rng)))


def main(arguments: argparse.Namespace) -> None:
    """Print one row per generator."""
    print(environment())
    groups = [digit_cases(arguments.data, arguments.experiment, arguments.samples)]
    if arguments.cifar10:
        groups.append(colour_cases(arguments.cifar10, arguments.samples))
    print(f"{arguments.repeats} repeats of {arguments.samples} samples of each generator.\n")
    rows = []
    for network, cases in groups:
        for name, case in cases.items():
            seeds = range(arguments.repeats)
            words = Counter(called(network, case, torch.Generator().manual_seed(seed)) for seed in seeds)
            right = sum(n for word, n in words.items() if (case.expected in word if case.expected else not word))
            seen = "; ".join(f"{word or 'none'} {count}" for word, count in words.most_common())
            rows.append((name, case.expected or "none", f"{right / arguments.repeats:.0%}", seen))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print_table(("generator", "expected", "as expected", "verdicts"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PROJECT / "data", help="the project's folder of data")
    parser.add_argument("--experiment", default="base", help="whose models are used")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--cifar10", type=Path, help="npz file with x_train, y_train, x_test, y_test")
    main(parser.parse_args())
