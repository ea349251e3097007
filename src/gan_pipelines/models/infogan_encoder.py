"""An encoder that no label has taught: the trunk of an InfoGAN's D and Q, and Q's head for a categorical code.

Its representations are named like those of a classifier, by kind and place of the layer with weights that each begins
with: `conv1`, `conv2`, `fc3`; its classes are the categories.
"""

import torch

from gan_pipelines.models.encoder import Encoder, EncoderSpec
from gan_pipelines.models.infogan import InfoGAN, InfoGANSpec, category_names
from gan_pipelines.parameters import LABELS, CategoricalCode, ExperimentError, Network, Schema
from gan_pipelines.parameters import networks as layers

TRUNK, HEAD = "infogan.discriminator.trunk", "infogan.discriminator.codes"
KINDS: dict[type[Schema], str] = {layers.Conv: "conv", layers.Linear: "fc"}
"""Layers with which a representation begins, and how its name does."""


def category_code(spec: InfoGANSpec) -> tuple[str, CategoricalCode]:
    """Name and prior of the first categorical code, whose categories are the classes.

    Raises:
        ExperimentError: there is none.
    """
    if spec.parameters.category_code:
        return spec.parameters.category_code
    raise ExperimentError(
        f"infogan.codes: an encoder without labels takes its classes from a categorical code; found "
        f"{', '.join(spec.parameters.single_codes)}, which are continuous."
    )


def plan_infogan_encoder(spec: InfoGANSpec) -> EncoderSpec:
    """Describe the encoder that the trunk and the head of an InfoGAN make.

    Raises:
        ExperimentError: there is no categorical code, or the head does not end in a linear layer.
    """
    _, code = category_code(spec)
    *before, last = spec.parameters.discriminator.codes
    if not isinstance(last, layers.Linear):
        raise ExperimentError(f"{HEAD}: must end in a linear layer to serve as an encoder; found {last.layer}.")
    head = (*before, layers.Linear(layer="linear", features="target"))
    return EncoderSpec(
        blocks={**_cut(spec.parameters.discriminator.trunk), LABELS: head},
        initialisation=spec.parameters.initialisation,
        image_shape=spec.image_shape,
        classes=category_names(code.classes),
        data_digest=spec.data_digest,
        provenance=spec.provenance,
    )


def _cut(trunk: Network) -> dict[str, Network]:
    """The trunk's layers by representation: a new one begins with each layer that has weights."""
    blocks: dict[str, Network] = {}
    before: Network = ()
    for layer in trunk:
        if type(layer) in KINDS:
            name = f"{KINDS[type(layer)]}{len(blocks) + 1}"
            blocks[name], before = (*before, layer), ()
        elif blocks:
            blocks[name] += (layer,)
        else:
            before = (*before, layer)
    if not blocks:
        raise ExperimentError(
            f"{TRUNK}: has neither a conv nor a linear layer, so that an encoder has nothing to offer."
        )
    return blocks


@torch.no_grad()
def infogan_encoder(gan: InfoGAN) -> Encoder:
    """The trunk and the head for the categories of a trained InfoGAN, as a frozen encoder.

    Its batch norms keep the statistics of real pictures that the training left them with; layers that distort or drop
    something do so in training alone.

    Args:
        gan: is not changed.

    Raises:
        ExperimentError: it cannot serve as an encoder.
    """
    spec = plan_infogan_encoder(gan.spec)
    if spec.provenance:
        inputs = {**spec.provenance.inputs, "infogan": gan.digest()}
        spec = spec.model_copy(update={"provenance": spec.provenance.model_copy(update={"inputs": inputs})})
    encoder = Encoder(spec)
    ours = [module for block in encoder.blocks.values() for module in block.children()]
    theirs = [*gan.discriminator.trunk, *gan.discriminator.codes]
    for own, module in zip(ours[:-1], theirs[:-1], strict=True):
        own.load_state_dict(module.state_dict())
    categories = gan.codes.split_head(torch.arange(gan.codes.head_size)[None])[category_code(gan.spec)[0]][0]
    ours[-1].load_state_dict({key: values[categories] for key, values in theirs[-1].state_dict().items()})
    return encoder.freeze()
