"""From a trained generator and its scores to a version in MLflow's registry."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.register.nodes import register_model


def create_pipeline(generator: str) -> Pipeline:
    """Register a generator.

    Args:
        generator: its dataset; its scores and influences are named after it.
    """
    made = [generator, f"{generator}_scores", f"{generator}_influences"]
    codes = ["code_scores"] if generator == "infogan" else []
    settings = ["tracking_uri", "params:registry", "params:evaluation"]
    node = Node(
        register_model, inputs=[*settings, *made, "data_card", *codes], outputs="registration", name="register_model"
    )
    return Pipeline([node], namespace="register", prefix_datasets_with_namespace=False)
