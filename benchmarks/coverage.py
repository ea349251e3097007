"""How often 95 % intervals contain the truth, on generators of equal, slightly wrong and clearly wrong law.

    .venv/bin/python benchmarks/coverage.py --repeats 300

It needs the models of a run of the default experiment (`make run`). There, laws are known and pictures can be drawn
without end: samples of the joint stack play the real images, 1,000 of them in each repeat the test images, read by the
real judge. A generator of equal law draws 10,000 others of them; a slightly wrong one takes 5 % of its samples from the
independent stack; a clearly wrong one takes all. InfoGAN's codes are those of the trained one, and of one in which a
twentieth or half of the pictures get other codes than they should; levels ignore the noise of as many conditions.

The truth is the score of the law itself where a score is unbiased (Frechet distance at infinity, kernel distance), and
otherwise the mean over all repeats: what the score is at these counts on average.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics import (
    JUDGE,
    LabelledFeatures,
    Reference,
    Score,
    class_logits,
    extract_labelled,
    judge_network,
    level_variations,
    score_classification,
    score_codes,
    score_levels,
    score_pictures,
)
from gan_pipelines.metrics.distances import frechet_distances, kernel_distance
from gan_pipelines.metrics.diversity import CONDITIONS, NOISES
from gan_pipelines.metrics.features import RealFeatures
from gan_pipelines.metrics.neighbours import nearest_distances, picture_distances
from gan_pipelines.model_file import Model, read_model
from gan_pipelines.models import InfoGAN, LevelGAN
from gan_pipelines.models.encoder import encode
from gan_pipelines.models.standing import standing_infogan
from gan_pipelines.parameters import PIXELS
from measure import PROJECT, environment, print_table

TESTS, TRAINING, SAMPLES = 1000, 4000, 10_000
POPULATION = 60_000
WRONG = {"equal": 0.0, "slightly wrong": 0.05, "clearly wrong": 1.0}
"""Share of samples that come from the other law."""
FORGOTTEN = {"equal": 0.0, "slightly wrong": 0.05, "clearly wrong": 0.5}
"""Share of an InfoGAN's pictures whose codes are replaced."""
FEATURES = "features"
REGRESSED = 200
"""Real images from which a level's unit comes; it is the same in all repeats."""


@dataclass(frozen=True)
class Law:
    """Many pictures of a generator, and what the judge sees in them.

    Attributes:
        pictures: with the labels that were asked for.
        judged: features and logits.
        second_opinion: the class that the second judge sees.
    """

    pictures: LabelledImages
    judged: LabelledFeatures
    second_opinion: Tensor

    def take(self, index: Tensor) -> "Law":
        """Some of the pictures."""
        judged = self.judged
        chosen = LabelledFeatures(judged.features[index], judged.logits[index], judged.labels[index])
        return Law(self.pictures.subset(index), chosen, self.second_opinion[index])

    def join(self, other: "Law") -> "Law":
        """These pictures, then others."""
        pictures, judged = (
            [torch.cat([getattr(getattr(law, part), name) for law in (self, other)]) for name in names]
            for part, names in (("pictures", ("images", "labels")), ("judged", ("features", "logits", "labels")))
        )
        opinions = torch.cat([self.second_opinion, other.second_opinion])
        return Law(LabelledImages(*pictures, self.pictures.classes), LabelledFeatures(*judged), opinions)

    def draw(self, count: int, rng: torch.Generator, start: int = 0) -> Tensor:
        """Indices of so many pictures, equally many of each class, beyond the first ones."""
        classes = len(self.pictures.classes)
        per_class = (len(self.pictures) - start) // classes
        rows = torch.stack([torch.randperm(per_class, generator=rng)[: count // classes] for _ in range(classes)])
        return (start + rows * classes + torch.arange(classes)[:, None]).T.flatten()  # labels alternate


class Forgetful:
    """An InfoGAN that gives some of its pictures other codes than it should."""

    def __init__(self, gan: InfoGAN, share: float) -> None:
        self._gan, self._share = gan, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gan, name)

    def pictures(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Pictures, some of them with drawn codes."""
        rng = torch.Generator().manual_seed(int(codes.sum().item() * 1000) % 2**31)
        others = self._gan.codes.sample(len(codes), rng)
        forgotten = torch.rand(len(codes), 1, generator=rng) < self._share
        return self._gan.pictures(noise, torch.where(forgotten, others, codes))


class Deaf(nn.Module):
    """A generator that ignores the noise of some of its pictures."""

    def __init__(self, generator: nn.Module, share: float, seed: int) -> None:
        super().__init__()
        self.generator, self.share, self.rng = generator, share, torch.Generator().manual_seed(seed)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Pictures, those of a condition either with or without noise."""
        deaf = torch.rand(CONDITIONS, generator=self.rng).repeat_interleave(NOISES) < self.share
        pictures: Tensor = self.generator(condition, noise * ~deaf[:, None])
        return pictures


def read_newest(experiment: str, name: str) -> Model:
    """Read the newest version of a model."""
    found = sorted((PROJECT / "data/06_models" / experiment / f"{name}.safetensors").glob(f"*/{name}.safetensors"))
    if not found:
        sys.exit(f"{name}: there is no model of the experiment {experiment}; `make run` trains it.")
    return read_model(found[-1])


@dataclass(frozen=True)
class Study:
    """What all repeats share."""

    laws: dict[str, Law]
    judge: Any
    infogan: InfoGAN
    standing: InfoGAN
    levels: list[LevelGAN]
    representations: dict[str, Representation]


def prepare(experiment: str) -> Study:
    """Read the models, draw the populations."""
    open_model: Callable[[str], Any] = partial(read_newest, experiment)
    judge, rng = open_model("judge"), torch.Generator().manual_seed(0)
    second_judge = open_model("second_judge")
    network, laws = judge_network(judge, FEATURES), {}
    for name in ("joint_stack", "independent_stack"):
        stack = open_model(name)
        labels = torch.arange(POPULATION) % len(stack.spec.classes)
        pictures = LabelledImages(stack.sample(labels, rng), labels, stack.spec.classes)
        opinions = class_logits(second_judge, pictures.images).argmax(dim=1)
        laws[name] = Law(pictures, extract_labelled(network, pictures), opinions)
    infogan = open_model("infogan")
    levels = [open_model(f"joint_level_{level.target}") for level in stack.spec.levels]
    some = laws["joint_stack"].take(torch.arange(REGRESSED)).pictures
    encoded = encode(open_model("encoder"), some.pixels(), [level.spec.target for level in levels[:-1]])
    representations = {part.name: part for part in [*encoded, some.pixels()]}
    return Study(laws, judge, infogan, standing_infogan(infogan, rng), levels, representations)


def repeat_pictures(study: Study, kind: str, rng: torch.Generator) -> Iterator[Score]:
    """Every score of pictures, once."""
    real, other = study.laws["joint_stack"], study.laws["independent_stack"]
    training = real.take(torch.arange(TRAINING))
    index = real.draw(TESTS + SAMPLES, rng, start=TRAINING)
    tests, samples = real.take(index[:TESTS]), real.take(index[TESTS:])
    strange, strangers = other.take(other.draw(SAMPLES, rng)), int(WRONG[kind] * SAMPLES)
    if strangers == SAMPLES:
        samples = strange
    elif strangers:
        samples = strange.take(torch.arange(strangers)).join(samples.take(torch.arange(strangers, SAMPLES)))
    distances = {
        JUDGE: nearest_distances(tests.judged.features, training.judged.features),
        PIXELS: picture_distances(tests.pictures.images, training.pictures.images),
    }
    features = RealFeatures({JUDGE: training.judged}, {JUDGE: tests.judged}, tests.second_opinion, distances)
    reference = Reference(training.pictures, tests.pictures, features)
    judged = {JUDGE: samples.judged}
    yield from score_pictures(judged, samples.second_opinion, samples.pictures, reference, "labelled", rng)
    yield score_classification(tests.judged.logits, tests.pictures, SAMPLES)


def repeat_codes(study: Study, kind: str, rng: torch.Generator) -> Iterator[Score]:
    """Every score of codes, once."""
    real = study.laws["joint_stack"]
    test_images = real.take(real.draw(TESTS, rng)).pictures
    standing: Any = Forgetful(study.standing, FORGOTTEN[kind])
    yield from score_codes(study.infogan, standing, study.judge, FEATURES, test_images, SAMPLES, rng)


def repeat_levels(study: Study, kind: str, rng: torch.Generator) -> Iterator[Score]:
    """Both scores of each level, once."""
    levels, classes = deepcopy(study.levels), len(study.laws["joint_stack"].pictures.classes)
    for place, level in enumerate(levels):
        level.averaged_generator = Deaf(level.sampling_generator, FORGOTTEN[kind], rng.initial_seed() + place)
    labels = torch.arange(REGRESSED) % classes
    variations = level_variations(levels, study.representations, labels, classes, rng)
    yield from score_levels(variations, CONDITIONS * NOISES)


CASES = {"pictures": repeat_pictures, "codes": repeat_codes, "levels": repeat_levels}


Row = tuple[str, str, str, str, float, float, float]

studies: list[Study] = []
"""The study of this process and of those forked from it."""


def run_once(task: tuple[str, str, int]) -> list[Row]:
    """One repeat: kind of generator, score, space, class, value and interval."""
    case, kind, seed = task
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(seed)
    scores = CASES[case](studies[0], kind, rng)
    return [(kind, s.score, s.space, s.of_class, s.value, s.low, s.high) for s in scores]


def truths(study: Study) -> dict[tuple[str, str], float]:
    """The scores of the laws themselves, where a score is unbiased."""
    real, other = (study.laws[name].judged for name in ("joint_stack", "independent_stack"))
    distance = kernel_distance(other.features, real.features, other.labels, real.labels)[0]
    found, half = {}, len(real) // 2  # no picture may be on both sides
    for kind, share in WRONG.items():
        found[kind, "kernel_distance"] = share**2 * distance  # a mixture's mean in the kernel's space is that of means
        found[kind, "frechet_distance_infinity"] = 0.0
        if share:
            strangers = int(share * half)
            mixed, labels = (
                torch.cat([getattr(other, part)[:strangers], getattr(real, part)[strangers:half]])
                for part in ("features", "labels")
            )
            rng = torch.Generator().manual_seed(0)
            distances = frechet_distances(mixed, real.features[half:], labels, real.labels[half:], rng)
            found[kind, "frechet_distance_infinity"] = distances.at_infinity
    return found


def coverage_table(rows: Iterable[Row], known: Mapping[tuple[str, str], float]) -> list[tuple[str, ...]]:
    """One row per score: in how many repeats its interval held the truth, by kind of generator.

    Scores of single classes have a row for all classes together, in which each has a truth of its own.

    Args:
        rows: of all repeats, as `run_once` returns them.
        known: truths by kind and score; elsewhere the mean over all repeats is the truth.
    """
    found: dict[tuple[str, str, bool], dict[str, dict[str, list[Any]]]] = {}
    for kind, score, space, of_class, *values in rows:
        of_kind = found.setdefault((score, space, bool(of_class)), {}).setdefault(kind, {})
        of_kind.setdefault(of_class, []).append(values)
    table = []
    for (score, space, of_classes), by_kind in found.items():
        cells = [_cell(by_kind[kind].values(), known.get((kind, score))) for kind in WRONG]
        table.append((f"`{score}`", f"{space}, each class" if of_classes else space, *cells))
    return table


def _cell(found: Iterable[list[Any]], known: float | None) -> str:
    """How many intervals held the truth, of the same score or of one of each class, and the mean truth."""
    held, truths = [], []
    for values in found:
        value, low, high = torch.tensor(values, dtype=torch.float64).T
        truths.append(value.mean().item() if known is None else known)
        if not low.isnan().all():
            held.append(((low <= truths[-1]) & (truths[-1] <= high)).double())
    return f"{torch.cat(held).mean().item():.1%} ({sum(truths) / len(truths):.3g})" if held else "no interval"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--experiment", default="base", help="whose models are read")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    study = prepare(arguments.experiment)
    studies.append(study)
    known = truths(study)
    tasks = [(case, kind, seed) for seed in range(arguments.repeats) for case in arguments.cases for kind in WRONG]
    rows = []
    torch.set_num_threads(1)  # a process with threads must not fork
    with multiprocessing.get_context("fork").Pool(arguments.processes) as pool:
        for done, scores in enumerate(pool.imap_unordered(run_once, tasks), start=1):
            rows += scores
            if done % 30 == 0:
                print(f"{done} of {len(tasks)} repeats", file=sys.stderr, flush=True)
    print(environment() + f" {arguments.repeats} repeats.\n")
    table = coverage_table(rows, known)
    print_table(("score", "space", *(f"{kind}: held (truth)" for kind in WRONG)), table)


if __name__ == "__main__":
    main()
