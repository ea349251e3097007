"""Whether everything that a run makes has a place in the catalog that can hold it."""

from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_datasets import json

from gan_pipelines.parameters import ExperimentError

PLAIN = frozenset({Mapping, list, tuple, str, int, float, bool, NoneType})
"""What JSON can hold, whose dataset says that it takes anything."""


def require_places(pipeline: Pipeline, known: Iterable[Pipeline], catalog: DataCatalog) -> None:
    """Check that what a pipeline makes is kept, and that the entry of each output can hold what its node returns.

    Outputs that other nodes take may stay in memory.

    Args:
        pipeline: that runs.
        known: all pipelines; what a node of theirs takes is not an end.
        catalog: knows the entries.

    Raises:
        ExperimentError: names the node, the output, and what its entry holds.
    """
    taken = {name for each in known for node in each.nodes for name in node.inputs}
    for node in pipeline.nodes:
        for name, returned in _returned(node).items():
            if name not in catalog:
                if name in pipeline.outputs() - taken:
                    raise ExperimentError(
                        f"{name}: the node {node.name} makes it, no other node takes it, and no catalog has an entry "
                        f"for it, so it would be lost. Add one to a file conf/base/catalog*.yml. Nothing was run."
                    )
                continue
            dataset, given = catalog[name], _kinds(returned)
            held = held_kinds(dataset)
            if not _fit(held, given):
                raise ExperimentError(
                    f"{name}: its entry in the catalog is a {type(dataset).__name__}, which holds {_show(held)}, but "
                    f"the node {node.name} returns {_show(given)}. Change the type of the entry. Nothing was run."
                )


def held_kinds(dataset: AbstractDataset[Any, Any]) -> frozenset[type]:
    """The classes that a dataset saves, as its own class says; none if it says nothing."""
    if isinstance(dataset, json.JSONDataset):
        return PLAIN
    for kind in type(dataset).__mro__:
        for base in vars(kind).get("__orig_bases__", ()):
            saved = next(iter(get_args(base)), Any)
            if issubclass(get_origin(base) or object, AbstractDataset) and not isinstance(saved, TypeVar):
                return _kinds(saved)
    return frozenset()


def _returned(node: Node) -> dict[str, Any]:
    """What a node says that it returns, by output; `Any` where it does not say."""
    try:
        hint = get_type_hints(node.func).get("return", Any)
    except (AttributeError, NameError, TypeError):  # no plain function, or names that only type checkers import
        hint = Any
    if isinstance(node._outputs, str):
        return {node._outputs: hint}
    parts = get_args(hint) if isinstance(node._outputs, list) and get_origin(hint) is tuple else ()
    return dict(zip(node.outputs, parts if len(parts) == len(node.outputs) else [Any] * len(node.outputs), strict=True))


def _kinds(hint: Any) -> frozenset[type]:
    """The classes of a type hint; none if it may be anything, or is a protocol, of which no class says that it fits."""
    if get_origin(hint) in (Union, UnionType):
        parts = [_kinds(part) for part in get_args(hint)]
        return frozenset().union(*parts) if all(parts) else frozenset()
    kind = NoneType if hint is None else get_origin(hint) or hint
    is_class = isinstance(kind, type) and kind is not Any and not getattr(kind, "_is_protocol", False)
    return frozenset({kind}) if is_class else frozenset()


def _fit(held: frozenset[type], given: frozenset[type]) -> bool:
    """Whether some object of the classes given may be one of those held; without any, it may."""
    if not held or not given:
        return True
    return any(issubclass(one, other) or issubclass(other, one) for one in given for other in held)


def _show(kinds: frozenset[type]) -> str:
    return " or ".join(sorted(kind.__name__ for kind in kinds))
