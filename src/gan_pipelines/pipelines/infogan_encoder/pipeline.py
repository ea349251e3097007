"""From an InfoGAN to an encoder, and from images to the categories that stand for their classes."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.infogan_encoder.nodes import UNSUPERVISED, categorise, make_encoder, match_classes


def create_pipeline() -> Pipeline:
    """Make the encoder, and give each training image a category in place of its label."""
    nodes = [
        Node(
            make_encoder,
            inputs=["params:run", "params:classifier", "infogan", "train_images"],
            outputs=f"{UNSUPERVISED}_encoder",
            name="make_encoder",
        ),
        Node(
            categorise,
            inputs=["params:run", f"{UNSUPERVISED}_encoder", "train_images"],
            outputs=f"{UNSUPERVISED}_train_images",
            name="categorise",
        ),
    ]
    return Pipeline(nodes, namespace="infogan_encoder", prefix_datasets_with_namespace=False)


def create_matching() -> Pipeline:
    """Match categories and classes, with which evaluation begins: the first use of a label."""
    node = Node(
        match_classes,
        inputs=[f"{UNSUPERVISED}_train_images", "train_images"],
        outputs=f"{UNSUPERVISED}_matching",
        name="match_classes",
    )
    return Pipeline([node], namespace="infogan_encoder", prefix_datasets_with_namespace=False)
