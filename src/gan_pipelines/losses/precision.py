"""Losses are computed in float32 or better, whatever the precision of the networks."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Convert to float32, unless the values are more precise already."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
