"""Stacked GANs and InfoGAN as declarative Kedro pipelines."""

from typing import TYPE_CHECKING

from gan_pipelines.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from gan_pipelines.models.sampler import Sampler

__all__ = ["__version__", "load"]


def load(path: "str | Path") -> "Sampler":
    """A trained stack or InfoGAN, ready to be sampled on the CPU.

    Needs neither Kedro nor MLflow::

        from gan_pipelines import load
        pictures = load("joint_stack.safetensors").sample(10, classes=["3", "7"], seed=0)

    Args:
        path: a model file, or the folder of its versions, of which the newest is taken.

    Raises:
        FileError: there is no such file, it is broken, or it holds no generator.
    """
    from gan_pipelines.model_file import read_generator  # not before it is needed: torch takes its time
    from gan_pipelines.models.sampler import open_sampler

    return open_sampler(read_generator(path))
