"""The rows of SGAN's table 1: the pipelines of a stack again, one namespace per row and seed, with its own settings.

The settings of a row stand among the parameters as `ablation_rows.<row>.seed_<k>`; its datasets are those of the
pipelines that it is made of, behind `ablation_<row>_seed_<k>_`. All rows share images, judge and encoder.
"""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.parameters.ablation import JOINTLY_TRAINED, ROW_SETTINGS, ROWS, SINGLE_LEVEL_TERMS, seed_name
from gan_pipelines.pipelines import evaluation, sgan_joint, sgan_levels
from gan_pipelines.pipelines.ablation.nodes import collect_scores, compare_noise_variations, draw_grids

STACK = "stack"
"""The generator of each row."""


def create_pipeline(levels: Sequence[str], seeds: Sequence[int]) -> Pipeline:
    """Train, sample and score every row with every seed, then compare.

    Args:
        levels: names of the experiment's levels, from the top down to the pixels.
        seeds: each row is trained once with each.
    """
    rows = [create_row(row, seed, levels) for row in ROWS for seed in seeds]
    scores = [dataset(row, seed, f"{STACK}_scores") for row in ROWS for seed in seeds]
    samples = [dataset(row, seeds[0], f"{STACK}_samples") for row in ROWS]
    table = [
        Node(
            collect_scores,
            inputs=["params:ablation", "real_scores", *scores],
            outputs=["ablation_table", "ablation_order"],
            name="collect_scores",
        ),
        Node(
            draw_grids,
            inputs=["params:evaluation", "train_images", *samples],
            outputs="ablation_grids",
            name="draw_grids",
        ),
        Node(
            compare_noise_variations,
            inputs=["params:run", "params:evaluation", *(dataset(row, seeds[0], STACK) for row in JOINTLY_TRAINED)],
            outputs="ablation_noise_variations",
            name="compare_noise_variations",
        ),
    ]
    return Pipeline([*rows, Pipeline(table, namespace="table", prefix_datasets_with_namespace=False)])


def create_row(row: str, seed: int, levels: Sequence[str]) -> Pipeline:
    """One row with one seed: its trainings, its stack, samples and scores."""
    trained = [PIXELS] if row in SINGLE_LEVEL_TERMS else levels
    training, kind = sgan_levels.create_pipeline(trained), "level"
    if row in JOINTLY_TRAINED:
        training, kind = training + sgan_joint.create_training(trained), "joint_level"
    stack = sgan_joint.create_assembly(trained, kind, STACK)
    pipeline = training + stack + evaluation.create_sampling(STACK) + evaluation.create_scoring(STACK)
    shared = {name for name in pipeline.inputs() if not name.startswith("params:")} - {"checkpoints"}
    return Pipeline(
        pipeline,
        namespace=f"{row}.{seed_name(seed)}",
        inputs=shared,
        outputs={name: dataset(row, seed, name) for name in pipeline.all_outputs()},
        parameters={
            "params:run": f"params:{ROW_SETTINGS}.{row}.{seed_name(seed)}.run",
            "params:sgan": f"params:{ROW_SETTINGS}.{row}.{seed_name(seed)}.sgan",
            "params:evaluation": "params:evaluation",
        },
    )


def dataset(row: str, seed: int, name: str) -> str:
    """Such as `ablation_adv_seed_0_stack_scores`."""
    return f"ablation_{row}_{seed_name(seed)}_{name}"
