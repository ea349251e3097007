"""Pictures from a trained generator, each by its number: it depends on model, seed and number, and on no other picture.

Networks always compute `PICTURES_AT_ONCE` pictures, each in a place that its number decides, because kernels for other
numbers of pictures add in other orders. So a picture is the same to the last bit, drawn alone or among many.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models.infogan import InfoGAN
from gan_pipelines.models.latent import Latent, Part
from gan_pipelines.models.stack import StackedGenerator
from gan_pipelines.models.standing import PICTURES, standing_infogan, standing_stack
from gan_pipelines.parameters import PIXELS, CategoricalCode, ExperimentError

PICTURES_AT_ONCE = 20
"""Pictures in each pass through the networks. Another number changes their last bits."""

Module = TypeVar("Module", bound=nn.Module)

CODES = "codes"

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Asked:
    """What is asked of pictures that follow each other.

    Attributes:
        first: number of the first one.
        labels: class of each, 0 for a model that takes no labels; their number is the number of pictures.
        codes: by name, a row of the latent vector for each; codes that are not here are drawn.
        seed: from which noise and codes of a picture are drawn, with its number.
    """

    first: int
    labels: Int64[Tensor, "count"]
    codes: Mapping[str, Float[Tensor, "count part"]] = field(default_factory=dict)
    seed: int = 0


class Sampler(ABC):
    """Draws pictures from a stack or an InfoGAN, with the batch-norm statistics of what its networks get.

    Attributes:
        digest: SHA-256 of the model.
        latents: everything random, in order: the noise of each level of a stack, or `noise` and `codes`.
        classes: names of the classes that can be asked for; none if the model takes no labels.
        image_shape: (channels, height, width).
        device: where pictures are computed.
    """

    digest: str
    latents: Mapping[str, Latent]
    classes: tuple[str, ...] = ()
    image_shape: tuple[int, ...]
    device: torch.device

    def sample(
        self,
        count: int,
        *,
        classes: Sequence[str] = (),
        codes: Mapping[str, float] | None = None,
        seed: int = 0,
        first: int = 0,
    ) -> UInt8[Tensor, "count channels height width"]:
        """Pictures number `first` and following, as bytes on the CPU.

        Args:
            count: how many, at least 1.
            classes: names of classes, which pictures have in turn; empty takes all of them.
            codes: values of codes, a category by its number; the others are drawn.
            seed: from which noise and codes of a picture are drawn, with its number.
            first: number of the first one.

        Raises:
            ExperimentError: the model has no such class or code, or a code no such value.
        """
        return torch.cat(list(self.batches(self.ask(count, classes, codes or {}, seed, first))))

    def ask(
        self, count: int, classes: Sequence[str], codes: Mapping[str, float], seed: int = 0, first: int = 0
    ) -> Asked:
        """Check what `sample` is asked, whose arguments these are.

        Raises:
            ExperimentError: the model has no such class or code, or a code no such value.
        """
        turn = torch.tensor([self.read_class(name) for name in classes or self.classes] or [0])
        labels = turn[torch.arange(first, first + count) % len(turn)]
        rows = {name: self.read_code(name, value).expand(count, -1) for name, value in codes.items()}
        return Asked(first, labels, rows, seed)

    def read_class(self, name: str) -> int:
        """The index of a class.

        Raises:
            ExperimentError: the model has no such class.
        """
        if name in self.classes:
            return self.classes.index(name)
        known = f"the model has {', '.join(self.classes)}" if self.classes else "the model takes no labels"
        raise ExperimentError(f"classes: {known}; found {name!r}.")

    def read_code(self, name: str, value: float) -> Float[Tensor, "1 part"]:
        """The value of a code as a row of the latent vector: a category as a one-hot vector.

        Raises:
            ExperimentError: the model has no such code, or the code no such value.
        """
        part = self.codes.get(name)
        if part is None:
            known = f"the model has {', '.join(self.codes)}" if self.codes else "the model takes no codes"
            raise ExperimentError(f"codes: {known}; found {name!r}.")
        if not isinstance(part, CategoricalCode):
            return torch.tensor([[value]], dtype=torch.float32)
        if value not in range(part.classes):
            raise ExperimentError(
                f"codes.{name}: must be a whole number from 0 to {part.classes - 1}; found {value:g}."
            )
        return torch.eye(part.classes)[[int(value)]]

    @property
    def codes(self) -> Mapping[str, Part]:
        """The codes that can be set, each with its prior; none of a stack."""
        return self.latents[CODES].parts if CODES in self.latents else {}

    def batches(self, asked: Asked) -> Iterator[UInt8[Tensor, "batch channels height width"]]:
        """The pictures in order, few at a time, so that any number of them takes little memory."""
        end = asked.first + len(asked.labels)
        for begin in range(asked.first - asked.first % PICTURES_AT_ONCE, end, PICTURES_AT_ONCE):
            numbers = range(max(asked.first, begin), min(end, begin + PICTURES_AT_ONCE))
            wanted = slice(numbers.start - asked.first, numbers.stop - asked.first)
            codes = {name: rows[wanted] for name, rows in asked.codes.items()}
            part = Asked(numbers.start, asked.labels[wanted], codes, asked.seed)
            yield self.generate(self.draw(part), part.labels, numbers.start - begin)

    def draw(self, asked: Asked) -> Float[Tensor, "count latent"]:
        """The latent vectors of pictures: all parts of `latents` in order, with the codes that were asked for."""
        numbers = range(asked.first, asked.first + len(asked.labels))
        drawn = torch.cat([self._draw(picture_rng(asked.seed, number)) for number in numbers])
        for name, rows in asked.codes.items():
            self.latents[CODES].split(self.split(drawn)[CODES])[name].copy_(rows)
        return drawn

    def interpolate(
        self, start: Float[Tensor, "count latent"], end: Float[Tensor, "count latent"], share: float
    ) -> Float[Tensor, "count latent"]:
        """Latent vectors between others, as `Latent.interpolate` mixes them."""
        starts, ends = self.split(start), self.split(end)
        mixed = [latent.interpolate(starts[name], ends[name], share) for name, latent in self.latents.items()]
        return torch.cat(mixed, dim=1)

    @torch.no_grad()
    def generate(
        self, latents: Float[Tensor, "batch latent"], labels: Int64[Tensor, "batch"], place: int = 0
    ) -> UInt8[Tensor, "batch channels height width"]:
        """At most `PICTURES_AT_ONCE` pictures of given latent vectors, as bytes on the CPU.

        Args:
            latents: the parts of `self.latents` in order.
            labels: class of each; a model that takes no labels uses only their number.
            place: of the first among those that are computed at once.
        """
        places = slice(place, place + len(labels))
        all_latents, all_labels = (
            latents.new_zeros(PICTURES_AT_ONCE, latents.shape[1]),
            labels.new_zeros(PICTURES_AT_ONCE),
        )
        all_latents[places], all_labels[places] = latents, labels
        generated = self._generate(self.split(all_latents.to(self.device)), all_labels.to(self.device))
        return to_bytes(generated[places]).cpu()

    def split(self, latents: Float[Tensor, "batch latent"]) -> dict[str, Float[Tensor, "batch part"]]:
        """Latent vectors by the names of `self.latents`."""
        sizes = [latent.size for latent in self.latents.values()]
        return dict(zip(self.latents, latents.split(sizes, dim=1), strict=True))

    def _draw(self, rng: torch.Generator) -> Float[Tensor, "1 latent"]:
        return torch.cat([latent.sample(1, rng) for latent in self.latents.values()], dim=1)

    @abstractmethod
    def _generate(
        self, latents: Mapping[str, Float[Tensor, "batch part"]], labels: Int64[Tensor, "batch"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Pictures in [0, 1]."""


class StackSampler(Sampler):
    """Draws from a stack of generators: labels, then the noise of every level."""

    def __init__(self, stack: StackedGenerator, device: torch.device) -> None:
        self.digest, self.device = stack.digest(), device
        self.latents, self.image_shape = stack.latents, stack.spec.levels[-1].target_shape
        self.classes = stack.spec.classes if stack.spec.conditional else ()
        shown = torch.arange(PICTURES, device=device) % len(stack.spec.classes)
        self.stack = standing_stack(_placed(stack, device), shown, _standing_rng())

    def _generate(self, latents: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        pixels: Tensor = self.stack(labels, latents)[PIXELS]
        return pixels


class InfoGANSampler(Sampler):
    """Draws from an InfoGAN: noise and codes."""

    def __init__(self, gan: InfoGAN, device: torch.device) -> None:
        self.digest, self.device = gan.digest(), device
        self.latents, self.image_shape = {"noise": gan.noise, CODES: gan.codes}, gan.spec.image_shape
        self.gan = standing_infogan(_placed(gan, device), _standing_rng())

    def _generate(self, latents: Mapping[str, Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002  # it takes none
        generated: Tensor = self.gan.sampling_generator(torch.cat(list(latents.values()), dim=1))
        return generated


def open_sampler(generator: StackedGenerator | InfoGAN, device: torch.device = CPU) -> StackSampler | InfoGANSampler:
    """A sampler of a trained generator; computes statistics of batch norms from 5,000 pictures first.

    Args:
        generator: is not changed.
        device: where pictures are computed.
    """
    return InfoGANSampler(generator, device) if isinstance(generator, InfoGAN) else StackSampler(generator, device)


def picture_rng(seed: int, number: int) -> torch.Generator:
    """The random stream of one picture."""
    digest = hashlib.sha256(f"{seed}/picture {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def _placed(module: Module, device: torch.device) -> Module:
    return deepcopy(module).to(device).to(memory_format=torch.channels_last).eval()


def _standing_rng() -> torch.Generator:
    """The statistics belong to the model, whatever is asked of it."""
    return torch.Generator().manual_seed(0)
