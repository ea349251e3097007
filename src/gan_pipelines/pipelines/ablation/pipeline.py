"""The rows of SGAN's table 1: one namespace a row, and in it a branch a seed, from its settings to its scores."""

from collections.abc import Sequence
from itertools import pairwise

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import LABELS, PIXELS
from gan_pipelines.parameters.ablation import ROWS, SINGLE_LEVEL_TERMS, branch_name, branch_names
from gan_pipelines.pipelines.ablation.nodes import (
    collect_scores,
    draw_grids,
    plan_ablation,
    sample_branch,
    score_branch,
    train_branch_level,
    train_branch_levels_jointly,
)
from gan_pipelines.stages import assemble_levels

REAL_IMAGES = ("judge", "train_images", "test_images", "real_features")

__all__ = ["ROWS", "branch_names", "create_pipeline"]


def create_pipeline(levels: Sequence[str], seeds: Sequence[int]) -> Pipeline:
    """Plan, train, assemble, sample, score, compare; all branches share images, representations and encoder.

    Args:
        levels: names of the experiment's levels, from the top down to the pixels.
        seeds: each row is trained once with each.
    """
    plan = Node(
        plan_ablation,
        inputs=["params:run", "params:sgan", "params:ablation", "params:classifier", "train_images"],
        outputs=[f"ablation_{name}_settings" for name in branch_names(seeds)],
        name="plan_ablation",
    )
    branches = [node for row in ROWS for seed in seeds for node in _branch_nodes(row, seed, levels)]
    collect = Node(
        collect_scores,
        inputs=["params:ablation", "real_scores", *(f"ablation_{name}_scores" for name in branch_names(seeds))],
        outputs="ablation_table",
        name="collect_scores",
    )
    draw = Node(
        draw_grids,
        inputs=[
            "params:evaluation",
            "train_images",
            *(f"ablation_{branch_name(row, seeds[0])}_samples" for row in ROWS),
        ],
        outputs="ablation_grids",
        name="draw_grids",
    )
    return Pipeline([plan, *branches, collect, draw])


def _branch_nodes(row: str, seed: int, levels: Sequence[str]) -> list[Node]:
    if row in SINGLE_LEVEL_TERMS:
        levels, training = [PIXELS], [_level_node(row, seed, LABELS, PIXELS, f"train_seed_{seed}")]
    elif row == "independent":
        pairs = pairwise([LABELS, *levels])
        training = [_level_node(row, seed, above, name, f"train_{name}_seed_{seed}") for above, name in pairs]
    else:
        training = [_joint_node(row, seed, levels)]
    branch = f"ablation_{branch_name(row, seed)}"
    assembly = Node(
        assemble_levels,
        inputs=["encoder", *(f"{branch}_level_{name}" for name in levels)],
        outputs=f"{branch}_stack",
        name=f"assemble_seed_{seed}",
        namespace=row,
    )
    sampling = Node(
        sample_branch,
        inputs=[f"{branch}_settings", "params:evaluation", f"{branch}_stack"],
        outputs=f"{branch}_samples",
        name=f"sample_seed_{seed}",
        namespace=row,
    )
    scoring = Node(
        score_branch,
        inputs=[f"{branch}_settings", "params:evaluation", *REAL_IMAGES, f"{branch}_samples"],
        outputs=f"{branch}_scores",
        name=f"score_seed_{seed}",
        namespace=row,
    )
    return [*training, assembly, sampling, scoring]


def _level_node(row: str, seed: int, above: str, name: str, node: str) -> Node:
    branch = f"ablation_{branch_name(row, seed)}"
    target = "train_images" if name == PIXELS else f"representation_{name}"
    condition = "train_images" if above == LABELS else f"representation_{above}"
    history = f"{branch}_history" if row in SINGLE_LEVEL_TERMS else f"{branch}_{name}_history"
    return Node(
        train_branch_level,
        inputs=[f"{branch}_settings", "encoder", target, condition, "checkpoints"],
        outputs=[f"{branch}_level_{name}", history],
        name=node,
        namespace=row,
    )


def _joint_node(row: str, seed: int, levels: Sequence[str]) -> Node:
    branch, start = f"ablation_{branch_name(row, seed)}", f"ablation_{branch_name('independent', seed)}"
    trained = [f"{start}_level_{name}" for name in levels]
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    return Node(
        train_branch_levels_jointly,
        inputs=[f"{branch}_settings", "encoder", "train_images", "checkpoints", *trained, *encoded],
        outputs=[*(f"{branch}_level_{name}" for name in levels), f"{branch}_history"],
        name=f"train_seed_{seed}",
        namespace=row,
    )
