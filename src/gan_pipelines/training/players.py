"""Players: a module with its optimiser and its average, what is done to all of them, and their state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.ranks import Compute, Ranks

Terms = Mapping[str, Tensor]
"""Weighted loss terms by name; the player minimises their sum."""

COMPILE_MODES = {"default": "default", "graphs": "reduce-overhead"}
"""`run.compile` in PyTorch's words."""


@dataclass
class Player:
    """A module with its optimiser, and the running average of its weights where one is kept.

    Attributes:
        module: a network.
        optimiser: of its weights.
        average: of its weights; for sampling alone.
        compute: calls a function for the player's loss terms; set while it trains.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: nn.Module | None = None
    compute: Compute = lambda terms: terms()

    @contextmanager
    def in_training(self, ranks: Ranks, compile_mode: str) -> Iterator[None]:
        """While it trains: connected to the same player of other ranks, and compiled if that is asked for."""
        if self.average is not None:
            self.average.eval()
        with ranks.connected(self.module.requires_grad_(True)) as self.compute:
            if compile_mode != "off":
                self.module.compile(mode=COMPILE_MODES[compile_mode])
            yield
        if compile_mode != "off":  # sampling has other batches and modes
            self.module._compiled_call_impl = None
            torch.compiler.reset()
        self.module.eval().requires_grad_(False)

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers, averages, and what the optimiser remembers of each weight."""
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, remembered in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in remembered.items()}
        return tensors

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the state of a player of the same kind."""
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
            for name, value in tensors.items():
                if value.shape == like.shape:  # laid out like the weight, as fused kernels take for granted
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
    """A player with Adam, or AdamW where weight decay is asked for."""
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=learning_rate or training.learning_rate,
        betas=(training.beta1, training.beta2),
        weight_decay=weight_decay,
        fused=True,
    )
    return Player(module, optimiser, average)


def rate_factor(step: int, training: TrainingParameters) -> float:
    """1 over the first half of the training, then linearly down to `final_learning_rate_fraction`."""
    progress = max(0.0, 2 * step / training.steps - 1)
    return 1 - progress * (1 - training.final_learning_rate_fraction)


def averaging_decay(step: int, decay: float) -> float:
    """The decay at a step: it rises as (1 + step) / (10 + step), so that the first weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


def begin_step(players: Mapping[str, Player], step: int, training: TrainingParameters) -> None:
    """Everybody trains, at the step's rate."""
    factor = rate_factor(step, training)
    for player in players.values():
        if not player.module.training:
            player.module.train()
        player.module.requires_grad_(True)
        for group in player.optimiser.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


@torch.no_grad()
def update_averages(players: Mapping[str, Player], decay: float) -> None:
    """Weights are averaged; batch-norm buffers too, but for their counters, which are copied."""
    for player in players.values():
        if player.average is None:
            continue
        average, current = player.average.state_dict(), player.module.state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def not_finite(players: Mapping[str, Player]) -> str | None:
    """The first player of whose weights and buffers one is not finite, if any."""
    for name, player in players.items():
        values = [value for value in player.module.state_dict().values() if value.is_floating_point()]
        if not all(torch.isfinite(value).all() for value in values):
            return name
    return None
