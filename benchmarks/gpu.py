"""Training steps on one GPU: precision, CUDA graphs, a rank of NCCL, and whether two trainings give the same bits.

    .venv/bin/python benchmarks/gpu.py
    .venv/bin/python benchmarks/gpu.py --cases infogan

- `sgan_pixels`: the pixels level of `conf/official_cifar10` on random pictures, batch 100, G and D in turns;
- `infogan`: that of `conf/official_infogan`, batch 128.

The first reports, in which networks are compiled, do not count. Nothing else should run on the machine meanwhile.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder
from gan_pipelines.models.encoder import encode
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import InfoGANParameters, RunParameters, SGANParameters
from gan_pipelines.tensor_file import digest_tensors
from gan_pipelines.training import ranks
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.observer import Silent
from measure import count_flops, environment, print_table, spread
from networks import CLASSES, experiment

PICTURES = 10_000
REPORT_STEPS = 50
STEPS = 10 * REPORT_STEPS
WARM_REPORTS = 3
PEAK_SIZE, PEAK_PRODUCTS = 8192, 10
HEADER = ("", "precision", "compile", "images/s, median (min..max)", "first report, s", "TFLOP/s", "share of the peak")
HEADER += ("peak memory, MiB",)

Fit = Callable[[RunParameters, int, int], tuple[nn.Module, list[dict[str, float]]]]
"""Trains for so many steps with a report every so many; gives the model and its history."""


def random_images(*shape: int) -> LabelledImages:
    """Pictures and classes without meaning, always the same."""
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (PICTURES, *shape), dtype=torch.uint8, generator=rng)
    return LabelledImages(pictures, torch.randint(len(CLASSES), (PICTURES,), generator=rng), CLASSES)


def sgan_pixels(run: RunParameters, steps: int, report_every_steps: int) -> tuple[nn.Module, list[dict[str, float]]]:
    """The pixels level of SGAN as in its official code for CIFAR-10, on an encoder that has learnt nothing."""
    found = experiment("official_cifar10")
    images = random_images(3, 32, 32)
    spec = plan_classifier(found.classifier, (3, 32, 32), CLASSES, "", "classifier").spec
    encoder = Encoder(spec).freeze()
    raw = found.sgan.model_dump()
    raw["levels"]["pixels"]["generator_updates"] = []
    raw["levels"]["pixels"]["training"] |= {"steps": steps, "report_every_steps": report_every_steps}
    level = plan_levels(SGANParameters.model_validate(raw), encoder, encoder.digest())["pixels"]
    pixels = images.pixels()
    (features,) = encode(encoder, pixels, ["fc3"])
    return fit_level(run, level, encoder, pixels, features, Silent(), labels=images.labels)


def infogan(run: RunParameters, steps: int, report_every_steps: int) -> tuple[nn.Module, list[dict[str, float]]]:
    """The InfoGAN of its official code for MNIST, on random pictures."""
    raw = experiment("official_infogan").infogan.model_dump()
    raw["training"] |= {"steps": steps, "report_every_steps": report_every_steps}
    spec = plan_infogan(InfoGANParameters.model_validate(raw), (1, 28, 28), "")
    return fit_infogan(run, spec, random_images(1, 28, 28).pixels(), Silent())


CASES: dict[str, tuple[Fit, int]] = {"sgan_pixels": (sgan_pixels, 100), "infogan": (infogan, 128)}
"""Trainings by name, with their batches."""


def matrix_peak(dtype: torch.dtype) -> float:
    """FLOP/s of the best of some large matrix products on the GPU."""
    left, right = (torch.randn(PEAK_SIZE, PEAK_SIZE, device="cuda", dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(PEAK_PRODUCTS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        left @ right
        torch.cuda.synchronize()
        best = max(best, 2 * PEAK_SIZE**3 / (time.perf_counter() - began))
    return best


@contextmanager
def one_rank() -> Iterator[None]:
    """Within the context, a training of one process goes through DistributedDataParallel over NCCL as several would."""

    @contextmanager
    def synchronised(self: ranks.Ranks, module: nn.Module) -> Iterator[ranks.Compute]:
        with ranks.synchronised_batch_norm(module, self.count):
            yield DistributedDataParallel(ranks._LossModule(module), forward_sync_buffers=False)

    with tempfile.TemporaryDirectory() as meeting, patch.object(ranks.Ranks, "synchronised", synchronised):
        torch.cuda.set_device(0)
        store = (Path(meeting) / "ranks").as_uri()
        distributed.init_process_group("cpu:gloo,cuda:nccl", init_method=store, rank=0, world_size=1)
        try:
            yield
        finally:
            distributed.destroy_process_group()


def measure(name: str, precision: str, compile_mode: str, *, over_nccl: bool = False) -> list[str]:
    """One row of the table: a training's rate in images a second, warm, and the share of the peak that it reaches."""
    fit, batch_size = CASES[name]
    run = RunParameters.model_validate({"device": "cuda", "precision": precision, "compile": compile_mode})
    torch.cuda.reset_peak_memory_stats()
    with one_rank() if over_nccl else nullcontext():
        history = fit(run, STEPS, REPORT_STEPS)[1]
    memory = torch.cuda.max_memory_allocated() / 2**20
    rates = [row["images_per_second"] for row in history[WARM_REPORTS:]]
    plain = RunParameters(device="cuda")
    more, less = (count_flops(partial(fit, plain, steps, steps)) for steps in (20, 10))
    achieved = (more - less) / (10 * batch_size) * median(rates)
    peak = matrix_peak(getattr(torch, precision))
    first = REPORT_STEPS * batch_size / history[0]["images_per_second"]
    cells = [spread(rates, 0), f"{first:.1f}", f"{achieved / 1e12:.1f}", f"{achieved / peak:.1%}", f"{memory:.0f}"]
    return [name + ", DDP over NCCL, 1 rank" * over_nccl, precision, compile_mode, *cells]


def repeats_bits(name: str, *, deterministic: bool) -> bool:
    """Whether two trainings of 100 steps give the same weights."""
    run = RunParameters(device="cuda", deterministic=deterministic)
    first, second = (digest_tensors(CASES[name][0](run, 100, 50)[0].state_dict(), "") for _ in range(2))
    return first == second


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--compile", nargs="+", choices=("off", "default", "graphs"), default=["off", "graphs"])
    arguments = parser.parse_args()
    print(environment())
    peaks = {name: matrix_peak(getattr(torch, name)) / 1e12 for name in ("float32", "bfloat16")}
    print(f"{torch.cuda.get_device_name()}; matrix products at best, TFLOP/s: {peaks}.\n")
    cases, modes, precisions = arguments.cases, arguments.compile, ("float32", "bfloat16")
    print_table(HEADER, (measure(*row) for row in itertools.product(cases, precisions, modes)))
    for case in cases:
        for deterministic in (True, False):
            same = repeats_bits(case, deterministic=deterministic)
            print(f"\n{case}: two trainings with run.deterministic={deterministic}: {'same' if same else 'other'} bits")
    print_table(HEADER, (measure(case, "float32", "off", over_nccl=True) for case in cases))
