"""Players: networks with their optimisers and averaged weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_pipelines.models import InfoGAN, LevelGAN
from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.turns import Compute

COMPILE_MODES = {"default": "default", "graphs": "reduce-overhead"}
"""Values of `run.compile` and the modes of `torch.compile` that they stand for."""

ADAM_MOMENTS = ("exp_avg", "exp_avg_sq")
"""What Adam remembers of each weight, besides its number of steps."""


@dataclass
class Player:
    """A network with its optimiser and, if one is kept, the running average of its weights.

    Attributes:
        module: the network.
        optimiser: updates its weights.
        average: a copy with averaged weights, used only for sampling.
        compute: calls a function that computes the player's loss terms; set while it trains.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: nn.Module | None = None
    compute: Compute = lambda terms: terms()

    @contextmanager
    def in_training(self, ranks: Ranks, compile_mode: str) -> Iterator[None]:
        """Within the context the player trains, synchronised with the other ranks and compiled if requested."""
        if self.average is not None:
            self.average.eval()
        with ranks.synchronised(self.module.requires_grad_(True)) as self.compute:
            if compile_mode != "off":
                self.module.compile(mode=COMPILE_MODES[compile_mode])
            yield
        if compile_mode != "off":  # sampling uses other batch sizes and modes
            self.optimiser.zero_grad()  # gradients lie in the graphs' memory, which goes with them
            self.module._compiled_call_impl = None
            torch.compiler.reset()
        self.module.eval().requires_grad_(False)

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers, averages, and the optimiser's state."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, remembered in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in remembered.items()}
        return tensors

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of a player with the same network.

        Raises:
            ValueError: what the optimiser remembers of a weight does not fit it.
        """
        self.module.load_state_dict(_part(state, "module"), strict=True)
        if self.average is not None:
            self.average.load_state_dict(_part(state, "average"), strict=True)
        remembered: dict[int, dict[str, Tensor]] = {}
        for path, value in _part(state, "optimiser").items():
            index, name = path.split(".")
            remembered.setdefault(int(index), {})[name] = value
        weights = [weight for group in self.optimiser.param_groups for weight in group["params"]]
        for position, tensors in remembered.items():
            like = weights[position]
            found = {name: (value.dtype, value.shape) for name, value in tensors.items()}
            moments = dict.fromkeys(ADAM_MOMENTS, (like.dtype, like.shape))
            if position < 0 or found != moments | {"step": (torch.float32, torch.Size())}:
                raise ValueError(f"what the optimiser remembers of weight {position} does not fit it")
            for name, value in tensors.items():
                if value.shape == like.shape:  # in the weight's memory layout, which fused kernels rely on
                    tensors[name] = torch.empty_like(like).copy_(value)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": remembered})


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): x for name, x in state.items() if name.startswith(f"{prefix}.")}


def make_player(
    module: nn.Module,
    training: TrainingParameters,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    average: nn.Module | None = None,
) -> Player:
    """A player with Adam, or AdamW if there is weight decay.

    Args:
        module: its network.
        training: Adam's rates and decays.
        learning_rate: replaces that of `training`.
        weight_decay: AdamW's weight decay.
        average: keeps the averaged weights.
    """
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=learning_rate or training.learning_rate,
        betas=(training.beta1, training.beta2),
        weight_decay=weight_decay,
        fused=True,
    )
    return Player(module, optimiser, average)


def gan_players(gan: LevelGAN | InfoGAN, training: TrainingParameters, prefix: str = "") -> dict[str, Player]:
    """G with its average, and D with Q, as players.

    Args:
        gan: the networks.
        training: rates of the players.
        prefix: put before the names `generator` and `discriminator`.
    """
    return {
        f"{prefix}generator": make_player(gan.generator, training, average=gan.averaged_generator),
        f"{prefix}discriminator": make_player(gan.discriminator, training, training.discriminator_learning_rate),
    }


def rate_factor(step: int, training: TrainingParameters) -> float:
    """Factor on the learning rates: 1 in the first half, then falling linearly to `final_learning_rate_fraction`."""
    progress = max(0.0, 2 * step / training.steps - 1)
    return 1 - progress * (1 - training.final_learning_rate_fraction)


def averaging_decay(step: int, decay: float) -> float:
    """Decay of the averages at a step: limited to (1 + step) / (10 + step), so that early weights fade quickly."""
    return min(decay, (1 + step) / (10 + step))


def begin_step(players: Mapping[str, Player], step: int, training: TrainingParameters) -> None:
    """Put all players in training mode and set their learning rates for this step."""
    factor = rate_factor(step, training)
    for player in players.values():
        if not player.module.training:
            player.module.train()
        player.module.requires_grad_(True)
        for group in player.optimiser.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


@torch.no_grad()
def update_averages(players: Mapping[str, Player], decay: float) -> None:
    """Update all averages: weights and batch-norm statistics are averaged, batch-norm counters copied."""
    for player in players.values():
        if player.average is None:
            continue
        average, current = player.average.state_dict(), player.module.state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def first_not_finite(players: Mapping[str, Player]) -> str | None:
    """Name of the first player with a weight or buffer that is not finite, if there is one."""
    for name, player in players.items():
        values = [value for value in player.module.state_dict().values() if value.is_floating_point()]
        if not all(torch.isfinite(value).all() for value in values):
            return name
    return None
