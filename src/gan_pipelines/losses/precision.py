"""Losses compute in float32 at least, whatever the networks compute in."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32, or as they are where they are more precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
