"""What a pipeline trains, scores and keeps, as its nodes and datasets say, and which pipeline makes a dataset."""

from collections.abc import Iterable

from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from gan_pipelines.datasets import CheckpointDataset
from gan_pipelines.parameters.ablation import ROW_SETTINGS
from gan_pipelines.parameters.unsupervised import UNSUPERVISED_STACK
from gan_pipelines.pipelines.unrecorded import READS_THE_RECORD

DERIVED = {ROW_SETTINGS: ("run", "sgan", "ablation"), UNSUPERVISED_STACK: ("sgan", "unsupervised")}
"""Parameter blocks that stand in no YAML, and the blocks that they are made from."""


def only_reads_the_record(pipeline: Pipeline) -> bool:
    """Whether a run trains and samples nothing; it leaves no trace in the record that it reads."""
    return all(READS_THE_RECORD in node.tags for node in pipeline.nodes)


def blocks_in_use(pipeline: Pipeline) -> frozenset[str]:
    """Parameter blocks of nodes that train, `evaluation` if some are scored."""
    trained = {name for node in pipeline.nodes if node.short_name.startswith("train") for name in node.inputs}
    shown = {name for node in pipeline.nodes if node.namespace != "data" for name in node.inputs}
    return blocks_read(trained | ({"params:evaluation"} & shown))


def blocks_read(datasets: Iterable[str]) -> frozenset[str]:
    """The blocks of the YAML behind those datasets that are parameters."""
    blocks = {name.removeprefix("params:").partition(".")[0] for name in datasets if name.startswith("params:")}
    return frozenset(source for block in blocks for source in DERIVED.get(block, (block,)))


def checkpoint_folders(pipeline: Pipeline, catalog: DataCatalog) -> list[CheckpointDataset]:
    """Where the trainings of a pipeline keep their checkpoints."""
    datasets = [catalog.get(name) for name in sorted(pipeline.inputs()) if not name.startswith("params:")]
    return [dataset for dataset in datasets if isinstance(dataset, CheckpointDataset)]


def command_for(name: str, experiment: str | None) -> str:
    """The command that makes a dataset of an experiment anew, and what its own pipeline makes from it.

    Args:
        name: of the dataset.
        experiment: as `--env` names it; None without that option.
    """
    if not (key := _maker(name)):  # a dataset that somebody put there
        return f"kedro run{_option(experiment)}"
    (node,) = (node.name for node in pipelines[key].nodes if name in node.outputs)
    rest = len(pipelines[key].from_nodes(node).nodes)
    start = "" if rest == len(pipelines[key].nodes) else f" --from-nodes={node}"
    return f"kedro run --pipelines={key}{start}{_option(experiment)}"


def maker_command(name: str, experiment: str | None) -> str:
    """The command of the whole pipeline that makes a dataset of an experiment; empty if none does."""
    key = _maker(name)
    return f"kedro run --pipelines={key}{_option(experiment)}" if key else ""


def _maker(name: str) -> str:
    """The smallest pipeline that makes a dataset, if any does."""
    makers = [key for key, pipeline in pipelines.items() if name in pipeline.all_outputs()]
    return min(makers, key=lambda key: len(pipelines[key].nodes), default="")


def _option(experiment: str | None) -> str:
    return f" --env={experiment}" if experiment else ""
