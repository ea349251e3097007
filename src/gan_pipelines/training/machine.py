"""The machine: its devices, kernels, threads and compilers."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gan_pipelines.models.provenance import code_version
from gan_pipelines.parameters import ExperimentError, RunParameters


@contextmanager
def kernels(run: RunParameters) -> Iterator[None]:
    """Within the context, use the run's number of threads and its choice of kernels."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.set_num_threads(run.threads or threads)
    _use_deterministic_algorithms(run.deterministic)
    torch.backends.cudnn.benchmark = not run.deterministic
    if run.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = benchmark


def _use_deterministic_algorithms(wanted: bool) -> None:
    if wanted != torch.are_deterministic_algorithms_enabled():  # PyTorch would load its compiler for seconds anyway
        torch.use_deterministic_algorithms(wanted)


def describe_machine(run: RunParameters) -> dict[str, str]:
    """What a run uses on this machine: `code`, `torch`, `device`, `threads`; creates no CUDA context."""
    return {
        "code": code_version(),
        "torch": torch.__version__,
        "device": str(find_device(run.device)),
        "threads": str(run.threads or torch.get_num_threads()),
    }


def describe_processor(device: torch.device) -> str:
    """The device with the name of the GPU, or with the instruction set of the CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})" if device.type == "cpu" else str(device)


def require_machine(run: RunParameters) -> None:
    """Check that this machine has what a run needs: the device, one GPU per worker, a C++ compiler.

    Raises:
        ExperimentError: names the field.
    """
    device, gpus = find_device(run.device), torch.cuda.device_count()
    if device.type == "cuda" and run.workers > gpus:
        raise ExperimentError(
            f"run.workers: each worker needs its own GPU and this machine has {gpus}; found {run.workers}."
        )
    if run.compile == "graphs" and device.type != "cuda":
        raise ExperimentError(
            f"run.compile: 'graphs' are CUDA graphs, which {device} does not have. Allowed here are off and default."
        )
    if run.compile != "off" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ExperimentError(
            f"run.compile: {run.compile!r} needs a C++ compiler, and none is on the path (CXX, g++ or clang++). "
            f"Install one or turn it off."
        )


def find_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first CUDA device, or the CPU if there is none.

    Raises:
        ExperimentError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.device_count() else "cpu")
    device = torch.device(name)
    found = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if device.type == "cuda" else 0,
        "mps": int(device.type == "mps" and torch.backends.mps.is_available()),
    }
    if (device.index or 0) >= found[device.type]:
        raise ExperimentError(
            f"run.device: {name!r} does not exist; this machine has cpu and {torch.cuda.device_count()} CUDA devices. "
            f"Allowed are auto, cpu, cuda, cuda:<index> and mps, if they exist."
        )
    return device
