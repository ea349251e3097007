"""Which trained generator is registered."""

from gan_pipelines.parameters.base import Name, Schema


class RegistryParameters(Schema):
    """A generator for MLflow's registry.

    Attributes:
        model: a dataset of the experiment that holds a stack or an InfoGAN, and has scores.
    """

    model: Name = "joint_stack"
