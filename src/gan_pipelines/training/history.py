"""Means of loss terms and measures between reports."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import field_validator
from torch import Tensor

from gan_pipelines.parameters import Schema
from gan_pipelines.parameters.base import Count
from gan_pipelines.training.observer import Row
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage


class HistoryState(Schema):
    """Counts of the current interval, and the rows so far."""

    counts: dict[str, Count]
    rows: list[dict[str, int | float]]

    @field_validator("rows")
    @classmethod
    def _check_rows(cls, rows: list[dict[str, int | float]]) -> list[dict[str, int | float]]:
        if not all("step" in row for row in rows):
            raise ValueError("each needs its step")
        return rows


class History:
    """Accumulates terms and measures without waiting for the device, and turns them into one row per report."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._sums: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()
        self._steps, self._began = 0, time.perf_counter()

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the terms and measures of one turn, detached."""
        for name, value in values.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
            self._counts[name] += 1

    def count_step(self) -> None:
        """Count a completed step."""
        self._steps += 1

    def report(self, step: int, batch_size: int, ranks: Ranks, scores: Mapping[str, float] | None = None) -> Row:
        """Finish an interval and return its row; `images_per_second` counts whole batches, not shards.

        Args:
            step: the last one.
            batch_size: images in a step.
            ranks: who share the training.
            scores: of the generator after this step, if it was scored.
        """
        sums = ranks.mean(torch.stack(list(self._sums.values())).cpu().double()).tolist() if self._sums else []
        means = {name: value / self._counts[name] for name, value in zip(self._sums, sums, strict=True)}
        seconds = time.perf_counter() - self._began
        self.rows.append(
            {"step": step, **means, "images_per_second": self._steps * batch_size / seconds, **(scores or {})}
        )
        self._sums, self._counts = {}, Counter()
        self._steps, self._began = 0, time.perf_counter()
        return self.rows[-1]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock within the context, since previews and files are not training."""
        began = time.perf_counter()
        yield
        self._began += time.perf_counter() - began

    def state(self, ranks: Ranks) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The sums of the current interval on every rank; and counts and rows, as JSON."""
        gathered = {name: ranks.gather(value.cpu()) for name, value in self._sums.items()}
        sums = {f"{name}.{rank}": value for name, values in gathered.items() for rank, value in enumerate(values)}
        return sums, {"counts": dict(self._counts), "rows": self.rows}

    def restore(self, sums: Mapping[str, Tensor], values: Mapping[str, Any], stage: Stage) -> None:
        """Restore the state of an earlier history.

        Raises:
            ValueError: the values are of another form, or a sum is no single number.
            KeyError: a sum is missing.
        """
        state = HistoryState.model_validate(values)
        counts = state.counts  # its order is that of the columns
        self._sums = {name: sums[f"{name}.{stage.ranks.rank}"].to(stage.device) for name in counts}
        if strange := [name for name, value in self._sums.items() if value.ndim or not value.is_floating_point()]:
            raise ValueError(f"the sum of {strange[0]} is no single number")
        self._counts = Counter(counts)
        self.rows = state.rows
