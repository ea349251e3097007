"""What the pipelines of trainings that can be watched share: what their scores are made from, and the curve."""

import pandas as pd
import plotly.graph_objects as go

from gan_pipelines.parameters import InfoGANParameters, SGANParameters, WatchParameters
from gan_pipelines.reporting.curves import watch_curve

VALIDATION = "validation_images"
"""Against these a generator is scored while it trains."""
SCORING = ("params:evaluation", "judge", VALIDATION)


def draw_infogan_watch(infogan: InfoGANParameters, history: pd.DataFrame) -> go.Figure:
    """The scores of an InfoGAN over the steps."""
    return _draw(infogan.watch, history)


def draw_joint_watch(sgan: SGANParameters, history: pd.DataFrame) -> go.Figure:
    """The scores of a stack over the steps of its joint training."""
    return _draw(sgan.joint.watch, history)


def _draw(watch: WatchParameters | None, history: pd.DataFrame) -> go.Figure:
    stage = history["stage"].iloc[0]
    if watch is None:
        raise ValueError(f"{stage} was not watched, and has no scores")
    said = f"Stage {stage}: {watch.samples:,} samples each time, against validation images, by the judge."
    return watch_curve(history, said)
