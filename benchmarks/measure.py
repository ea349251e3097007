"""How the benchmarks measure: contestants in turns in one process, beside the machine's own matrix products.

A figure is a ratio of two medians out of the same run; the spread of the ratio comes from the pairs of one repeat.
FLOPs are those of convolutions and matrix products, a multiplication and an addition being two, as
`torch.utils.flop_counter` counts them from shapes. Peak memory is what one turn needs in a process of its own, above
what its imports and the images take.
"""

import argparse
import itertools
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch.nn.functional import linear
from torch.utils.flop_counter import FlopCounterMode

PROJECT = Path(__file__).resolve().parents[1]
MATRIX_SIZES = (1024, 2048, 3072)
PRODUCTS = 4
RATES_HEADER = ("", "images/s, median (min..max)", "ours / it, median (min..max)", "MFLOP an image", "GFLOP/s")
RATES_HEADER += ("share of the peak", "peak memory, MiB")


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        rate: does it once and gives images per second; warms up by itself.
        flops: counts the FLOPs an image.
    """

    rate: Callable[[], float]
    flops: Callable[[], float]


Race = Mapping[str, Contestant]
"""Contestants by name, `ours` first."""


def parse_arguments(description: str, cases: Sequence[str]) -> argparse.Namespace:
    """`--repeats`, and which cases to run."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cases", nargs="+", choices=cases, default=list(cases))
    return parser.parse_args()


def run_races(races: Mapping[str, Callable[[], Race]], repeats: int) -> None:
    """Measure every race and print one table of all.

    Args:
        races: builds each race; what can be pickled, since memory is measured in processes of their own.
        repeats: how often each contestant has its turn.
    """
    rows, peak = [], 0.0
    for case, build in races.items():
        race = build()
        rates, found = take_turns(race, repeats)
        peak = max(peak, found)
        for name, contestant in race.items():
            memory = peak_mebibytes(build, name)
            rows.append((case, name, rates[name], rates["ours"], contestant.flops(), memory))
    print(environment())
    print(f"Matrix products, float32: {peak / 1e9:.0f} GFLOP/s at best. {repeats} repeats in turns.\n")
    print_table(RATES_HEADER, [_row(*row, peak) for row in rows])


def take_turns(race: Race, repeats: int) -> tuple[dict[str, list[float]], float]:
    """Images per second of all contestants, one after the other, `repeats` times, and the peak between them."""
    rates: dict[str, list[float]] = {name: [] for name in race}
    peak = 0.0
    for repeat in range(repeats):
        peak = max(peak, matrix_peak())
        for name, contestant in race.items():
            rates[name].append(contestant.rate())
            print(f"repeat {repeat}, {name}: {rates[name][-1]:.0f} images/s", file=sys.stderr, flush=True)
    return rates, peak


def matrix_peak() -> float:
    """FLOP/s of the best of some large float32 matrix products, by either of torch's libraries for them."""
    best = 0.0
    for size in MATRIX_SIZES:
        left, right = torch.rand(size, size), torch.rand(size, size)
        products = [partial(torch.mm, left, right)]
        if torch.backends.mkldnn.is_available():
            products.append(partial(linear, left.to_mkldnn(), right))
        for product in products * PRODUCTS:
            began = time.perf_counter()
            product()
            best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def count_flops(work: Callable[[], object]) -> int:
    """FLOPs of all convolutions and matrix products in some work, backward passes included."""
    with FlopCounterMode(display=False, custom_mapping=ONEDNN_FLOPS) as counter:
        work()
    total: int = counter.get_total_flops()
    return total


def _linear_flops(inputs: Sequence[int], weight: Sequence[int], *_: object, **__: object) -> int:
    return 2 * inputs[0] * weight[0] * weight[1]


def _linear_backward_flops(
    inputs: Sequence[int], _: object, weight: Sequence[int], wanted: Sequence[bool], **__: object
) -> int:
    return sum(wanted[:2]) * _linear_flops(inputs, weight)


ONEDNN_FLOPS = {
    torch.ops.aten.mkldnn_linear: _linear_flops,
    torch.ops.aten.mkldnn_linear_backward: _linear_backward_flops,
}
"""What the counter does not know by itself."""


def updates_rate(updates: Iterator[None], batch_size: int, warm: int, steps: int) -> float:
    """Images per second of the next updates of a loop, after a warm-up."""
    for _ in itertools.islice(updates, warm):
        pass
    began = time.perf_counter()
    for _ in itertools.islice(updates, steps):
        pass
    return steps * batch_size / (time.perf_counter() - began)


def peak_mebibytes(build: Callable[[], Race], name: str) -> float:
    """By how much one turn of one contestant raises the peak memory of a process of its own."""
    # not spawned by this process, whose peak it would inherit
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        return pool.submit(_peak_growth, build, name).result()


def _peak_growth(build: Callable[[], Race], name: str) -> float:
    contestant = build()[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    contestant.rate()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def environment() -> str:
    """One line: commit, versions, threads, processor."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor()
    return (
        f"Commit {described.stdout.strip()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, {os.cpu_count()} cores of {processor}."
    )


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a markdown table, each row as soon as it is there."""
    for row in itertools.chain((header, ["---"] * len(header)), rows):
        print(f"| {' | '.join(row)} |", flush=True)


def spread(values: Sequence[float], digits: int) -> str:
    """Median, least and greatest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def _row(
    case: str, name: str, rates: Sequence[float], ours: Sequence[float], flops: float, memory: float, peak: float
) -> Sequence[str]:
    ratio = spread([mine / its for mine, its in zip(ours, rates, strict=True)], 2)
    achieved = flops * median(rates)
    return (
        f"{case}: {name}",
        spread(rates, 0),
        "" if name == "ours" else ratio,
        f"{flops / 1e6:.0f}",
        f"{achieved / 1e9:.0f}",
        f"{achieved / peak:.0%}",
        f"{memory:.0f}",
    )
