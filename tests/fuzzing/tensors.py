"""Tensors that are not what they should be."""

from collections.abc import Callable, Mapping

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import Tensor

ALTERATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "cut": lambda tensor: tensor.reshape(-1)[1:],
    "turned": lambda tensor: tensor[None],
    "repeated": lambda tensor: torch.cat([torch.atleast_1d(tensor)] * 2),
    "double": lambda tensor: tensor.double(),
    "bytes": lambda tensor: tensor.to(torch.uint8),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "brain float": lambda tensor: tensor.bfloat16(),
    "small float": lambda tensor: tensor.float().to(torch.float8_e4m3fn),
    "NaN": lambda tensor: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor.clone(),
    "large": lambda tensor: torch.full_like(tensor, 1e30 if tensor.is_floating_point() else 100),
    "negative": lambda tensor: torch.zeros_like(tensor) - 1,
    "nothing": lambda tensor: tensor.new_empty(0),
}


@st.composite
def altered(draw: DrawFn, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, with one missing, added, renamed or altered."""
    found = dict(tensors)
    name = draw(st.sampled_from(sorted(found)))
    match draw(st.sampled_from(["missing", "added", "renamed", *ALTERATIONS])):
        case "missing":
            del found[name]
        case "added":
            found[draw(st.text(max_size=5).filter(str.isprintable))] = torch.zeros(2)
        case "renamed":
            found[name[:-1]] = found.pop(name)
        case how:
            found[name] = ALTERATIONS[how](found[name])
    return found
