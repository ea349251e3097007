"""Whether a training can start from a trained model."""

from typing import Any

from gan_pipelines.models.encoder import EncoderSpec
from gan_pipelines.models.infogan import InfoGANSpec
from gan_pipelines.models.level import LevelSpec
from gan_pipelines.models.stack import StackSpec
from gan_pipelines.parameters import ExperimentError, JointParameters
from gan_pipelines.parameters.base import flatten, shortened

AnySpec = EncoderSpec | LevelSpec | InfoGANSpec | StackSpec

NETWORKS: dict[str, Any] = {"noise": True, "generator": True, "discriminator": True}
MUST_AGREE: dict[str, dict[str, Any]] = {
    "encoder": {"image_shape": True, "classes": True, "blocks": True},
    "level": {
        "target": True,
        "target_shape": True,
        "condition_shape": True,
        "classes": True,
        "target_activation": True,
        "parameters": NETWORKS | {"condition": True},
    },
    "infogan": {"image_shape": True, "parameters": NETWORKS | {"codes": True}},
}
"""Fields of each kind of spec that a model and the one that starts from it share; data and training may differ."""


def require_start(where: str, found: AnySpec, wanted: EncoderSpec | LevelSpec | InfoGANSpec) -> None:
    """Check that a training can start from a model.

    Args:
        where: the place in the YAML that names the model.
        found: its spec.
        wanted: what will be trained.

    Raises:
        ExperimentError: names the first field that differs, what was found and what is needed.
    """
    if found.kind != wanted.kind:
        raise ExperimentError(f"{where}: must be a model of the kind {wanted.kind}; found {found.kind}.")
    ours, theirs = (
        dict(flatten(spec.model_dump(mode="json", include=MUST_AGREE[wanted.kind]))) for spec in (wanted, found)
    )
    for field in dict.fromkeys([*ours, *theirs]):
        if ours.get(field) != theirs.get(field):
            shown = [shortened(fields.get(field, "nothing"), 160) for fields in (theirs, ours)]
            raise ExperimentError(
                f"{where}: this model cannot be trained further as asked: its {field} is {shown[0]}, and {shown[1]} is "
                f"needed. Choose another model, or describe the networks as they were; data and training may differ."
            )


def require_joint_start(where: str, found: AnySpec, wanted: LevelSpec, joint: JointParameters) -> None:
    """Check that the joint training can start from a level, which may have been trained alone or jointly.

    Args:
        where: the place in the YAML that names the level.
        found: its spec.
        wanted: the level as it is trained alone.
        joint: may give D and Q other layers.

    Raises:
        ExperimentError: names the first field that differs, what was found and what is needed.
    """
    discriminator = joint.discriminators.get(wanted.target)
    if discriminator and isinstance(found, LevelSpec) and found.parameters.discriminator == discriminator:
        parameters = wanted.parameters.model_copy(update={"discriminator": discriminator})
        wanted = wanted.model_copy(update={"parameters": parameters})
    require_start(where, found, wanted)
