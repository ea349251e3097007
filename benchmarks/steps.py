"""Images per second of a training step against plain loops on the same networks, the published ones for MNIST.

    .venv/bin/python benchmarks/steps.py
    .venv/bin/python benchmarks/steps.py --cases infogan --repeats 15

- `sgan_pixels`: the pixels level of SGAN on real features, batch 100;
- `sgan_joint`: its two levels end to end, `upstream_weight` 0.01, batch 100;
- `infogan`: batch 128; of the plain loops one has two optimisers, one a third for the information.

What is plain about the plain loops stands in `plain.py`. Nothing else should run on the machine meanwhile.
"""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.data.sources import read_source
from gan_pipelines.models import LevelGAN
from gan_pipelines.models.encoder import encode
from gan_pipelines.parameters import Mnist5k, RunParameters
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.observer import Silent
from measure import PROJECT, Contestant, Race, count_flops, parse_arguments, run_races, updates_rate
from networks import official_sgan, paper_infogan
from plain import infogan_three_optimisers, infogan_two_optimisers, sgan_joint, sgan_pixels

REPORT_STEPS = 3
STEPS = 10 * REPORT_STEPS
"""So the pictures that a training shows at ten points fall between two reports, and count in no rate."""
WARM_REPORTS = 3
RUN = RunParameters()

History = list[dict[str, float]]


def pixels_race(digits: LabelledImages) -> Race:
    """The pixels level of SGAN."""

    def fit(steps: int, report_every_steps: int) -> History:
        encoder, specs, _ = official_sgan(steps, report_every_steps)
        pixels = digits.pixels()
        (features,) = encode(encoder, pixels, ["fc3"])
        return fit_level(RUN, specs["pixels"], encoder, pixels, features, Silent())[1]

    encoder, specs, _ = official_sgan(STEPS, REPORT_STEPS)
    plain = partial(sgan_pixels, specs["pixels"], encoder, digits)
    return {"ours": trained(fit, 100), "plain": looped(plain, 100)}


def joint_race(digits: LabelledImages) -> Race:
    """Both levels of SGAN, end to end."""

    def fit(steps: int, report_every_steps: int) -> History:
        encoder, specs, parameters = official_sgan(steps, report_every_steps)
        pixels = digits.pixels()
        (features,) = encode(encoder, pixels, ["fc3"])
        targets: dict[str, Representation] = {"pixels": pixels, "fc3": features}
        levels = [LevelGAN(spec) for spec in specs.values()]
        return fit_joint(RUN, parameters, levels, encoder, targets, digits.one_hot_labels(), Silent())[1]

    encoder, specs, parameters = official_sgan(STEPS, REPORT_STEPS)
    plain = partial(sgan_joint, list(specs.values()), encoder, digits, parameters.training, parameters.upstream_weight)
    return {"ours": trained(fit, 100), "plain": looped(plain, 100)}


def infogan_race(digits: LabelledImages) -> Race:
    """InfoGAN."""

    def fit(steps: int, report_every_steps: int) -> History:
        return fit_infogan(RUN, paper_infogan(steps, report_every_steps), digits.pixels(), Silent())[1]

    spec = paper_infogan(STEPS, REPORT_STEPS)
    return {
        "ours": trained(fit, 128),
        "plain, two optimisers": looped(partial(infogan_two_optimisers, spec, digits), 128),
        "plain, three optimisers": looped(partial(infogan_three_optimisers, spec, digits), 128),
    }


def trained(fit: Callable[[int, int], History], batch_size: int) -> Contestant:
    """One of the project's trainings, timed by itself.

    Args:
        fit: trains for so many steps, with a report every so many.
        batch_size: of the training.
    """

    def rate() -> float:
        return median(row["images_per_second"] for row in fit(STEPS, REPORT_STEPS)[WARM_REPORTS:])

    def flops() -> float:  # of ten more steps, since either training shows ten times its pictures
        more, less = (count_flops(partial(fit, steps, steps)) for steps in (20, 10))
        return (more - less) / (10 * batch_size)

    return Contestant(rate, flops)


def looped(loop: Callable[[], Iterator[None]], batch_size: int) -> Contestant:
    """A plain loop, begun anew at every turn."""

    def rate() -> float:
        warm = WARM_REPORTS * REPORT_STEPS
        return updates_rate(loop(), batch_size, warm, STEPS - warm)

    return Contestant(rate, lambda: count_flops(partial(next, loop())) / batch_size)


RACES: dict[str, Callable[[LabelledImages], Race]] = {
    "sgan_pixels": pixels_race,
    "sgan_joint": joint_race,
    "infogan": infogan_race,
}


if __name__ == "__main__":
    arguments = parse_arguments(__doc__ or "", list(RACES))
    train_images = read_source(Mnist5k(name="mnist_5k"), PROJECT, torch.Generator().manual_seed(0)).train
    run_races({case: partial(RACES[case], train_images) for case in arguments.cases}, arguments.repeats)
