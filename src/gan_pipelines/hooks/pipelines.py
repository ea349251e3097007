"""What a pipeline trains, scores and keeps, as its nodes and datasets say, and which pipeline makes a dataset."""

from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from gan_pipelines.datasets import CheckpointDataset
from gan_pipelines.parameters.ablation import ROW_SETTINGS
from gan_pipelines.pipelines.unrecorded import READS_THE_RECORD


def only_reads_the_record(pipeline: Pipeline) -> bool:
    """Whether a run trains and samples nothing; it leaves no trace in the record that it reads."""
    return all(READS_THE_RECORD in node.tags for node in pipeline.nodes)


def blocks_in_use(pipeline: Pipeline) -> frozenset[str]:
    """Parameter blocks of nodes that train, `sgan` for a row of the ablation, `evaluation` if some are scored."""
    trained = {name for node in pipeline.nodes if node.short_name.startswith("train") for name in node.inputs}
    shown = {name for node in pipeline.nodes if node.namespace != "data" for name in node.inputs}
    parameters = trained | ({"params:evaluation"} & shown)
    blocks = {name.removeprefix("params:") for name in parameters if name.startswith("params:")}
    return frozenset("sgan" if block.startswith(f"{ROW_SETTINGS}.") else block for block in blocks)


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
    env = f" --env={experiment}" if experiment else ""
    makers = {key: pipeline for key, pipeline in pipelines.items() if name in pipeline.all_outputs()}
    if not makers:  # a dataset that somebody put there
        return f"kedro run{env}"
    key = min(makers, key=lambda key: len(makers[key].nodes))
    (node,) = (node.name for node in makers[key].nodes if name in node.outputs)
    rest = len(makers[key].from_nodes(node).nodes)
    return f"kedro run --pipelines={key}{'' if rest == len(makers[key].nodes) else f' --from-nodes={node}'}{env}"
