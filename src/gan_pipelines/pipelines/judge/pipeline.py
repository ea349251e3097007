"""From images to the classifiers that judge every generator, and that none of them ever sees."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.judge.nodes import train_judge, train_second_judge

IMAGES = ("train_images", "test_images")


def create_pipeline() -> Pipeline:
    """A node for each judge, shared by all evaluations."""
    nodes = [
        Node(
            train,
            inputs=["params:run", f"params:{name}", *IMAGES, "checkpoints"],
            outputs=[name, f"history_{name}", f"{name}_metrics"],
            name=f"train_{name}",
        )
        for name, train in {"judge": train_judge, "second_judge": train_second_judge}.items()
    ]
    return Pipeline(nodes, namespace="judge", prefix_datasets_with_namespace=False)
