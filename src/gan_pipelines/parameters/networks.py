"""Networks as YAML: lists of layers, each named by its `layer` field.

Input shapes are never written down; they follow from the data. The word `target` stands for the size that the
network has to produce (the classes, the representation's features or channels, the noise), so that one network
serves grey and colour images, or another number of classes.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gan_pipelines.parameters.base import GREATEST_SIZE, Decay, Fraction, Margin, Rate, Schema, Weight, Width, Window


def _check_size(value: Any) -> Any:
    if value == "target" or (isinstance(value, int) and not isinstance(value, bool) and 0 < value <= GREATEST_SIZE):
        return value
    raise ValueError(f"must be a whole number of at least 1 and at most {GREATEST_SIZE}, or the word target")


Size = Annotated[int | Literal["target"], BeforeValidator(_check_size)]
"""A number of features or channels, or the word `target`."""


class Linear(Schema):
    """Fully connected layer; maps are flattened first."""

    layer: Literal["linear"]
    features: Size


class Conv(Schema):
    """2-d convolution; sizes in pixels."""

    layer: Literal["conv"]
    channels: Size
    kernel: Window
    stride: Window = 1
    padding: Margin = 0


class ConvTranspose(Schema):
    """2-d transposed convolution; sizes in pixels."""

    layer: Literal["conv_transpose"]
    channels: Size
    kernel: Window
    stride: Window = 1
    padding: Margin = 0
    output_padding: Margin = 0


class Project(Schema):
    """Fully connected layer onto a map of the target's height and width divided by `downscale`."""

    layer: Literal["project"]
    channels: Width
    downscale: Window = 1


class Unflatten(Schema):
    """Features as a square map of `channels` x `size` x `size`."""

    layer: Literal["unflatten"]
    channels: Width
    size: Window


class BatchNorm(Schema):
    """Batch normalisation over features or channels."""

    layer: Literal["batch_norm"]


class SpectralNorm(Schema):
    """Divides the weights of the layer before it by their largest singular value (Miyato et al. 2018)."""

    layer: Literal["spectral_norm"]


class Relu(Schema):
    """max(x, 0)."""

    layer: Literal["relu"]


class LeakyRelu(Schema):
    """max(x, slope * x)."""

    layer: Literal["leaky_relu"]
    slope: Fraction = 0.2


class Sigmoid(Schema):
    """1 / (1 + exp(-x))."""

    layer: Literal["sigmoid"]


class TargetActivation(Schema):
    """In the trunk of a level's G: the activation with which the encoder's block of the target ends, if there is one.

    So generated representations have the range of real ones, whatever the encoder.
    """

    layer: Literal["target_activation"]


class MaxPool(Schema):
    """Maximum over windows of `size` x `size` pixels."""

    layer: Literal["max_pool"]
    size: Window


class Dropout(Schema):
    """Zeroes each value with the given probability while training."""

    layer: Literal["dropout"]
    probability: Fraction


class GaussianNoise(Schema):
    """Adds N(0, deviation) to each value while training."""

    layer: Literal["gaussian_noise"]
    deviation: Rate


class GlobalAveragePool(Schema):
    """The mean of each channel over its map."""

    layer: Literal["global_average_pool"]


class MeanImage(Schema):
    """Subtracts the mean of the training examples, pixel by pixel; only at the start of a network that reads them."""

    layer: Literal["mean_image"]


class RandomAffine(Schema):
    """Stretches, shears, turns and shifts each picture at random while training, differentiably (Zhao et al. 2020).

    Attributes:
        layer: its name.
        distortion: each entry of the 2 x 2 matrix differs from the identity's by U[-distortion, distortion].
        shift_pixels: greatest shift in each direction; what comes in from outside is 0.
    """

    layer: Literal["random_affine"]
    distortion: Decay
    shift_pixels: Weight


Layer = Annotated[
    Linear
    | Conv
    | ConvTranspose
    | Project
    | Unflatten
    | BatchNorm
    | SpectralNorm
    | Relu
    | LeakyRelu
    | Sigmoid
    | TargetActivation
    | MaxPool
    | GlobalAveragePool
    | MeanImage
    | Dropout
    | GaussianNoise
    | RandomAffine,
    Field(discriminator="layer"),
]


Activation = Annotated[Relu | LeakyRelu | Sigmoid, Field(discriminator="layer")]


def last_activation(layers: tuple[Layer, ...]) -> Activation | None:
    """The last one of a network; None if it has none."""
    found = [layer for layer in layers if isinstance(layer, Relu | LeakyRelu | Sigmoid)]
    return found[-1] if found else None


def resolve_target_activation(layers: tuple[Layer, ...], activation: Activation | None) -> tuple[Layer, ...]:
    """The same layers with this activation in place of each `target_activation`, or without one."""
    found = (activation,) if activation else ()
    return tuple(part for layer in layers for part in (found if isinstance(layer, TargetActivation) else (layer,)))


MEAN_IMAGE_FIRST = (
    "mean_image is only for the first layer of a classifier, or of the trunk of a level's D, which reads the training "
    "examples; leave it out here"
)


def has_mean_image(layers: tuple[Layer, ...]) -> bool:
    """Whether one of the layers is a `mean_image`."""
    return any(isinstance(layer, MeanImage) for layer in layers)


def _without_mean_image(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    if has_mean_image(layers):
        raise ValueError(MEAN_IMAGE_FIRST)
    return layers


def _mean_image_first(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return layers[:1] + _without_mean_image(layers[1:])


Network = Annotated[tuple[Layer, ...], AfterValidator(_mean_image_first)]
"""Layers in order, of which the first may read the training examples."""
InnerNetwork = Annotated[tuple[Layer, ...], AfterValidator(_without_mean_image)]
"""Layers in order, none of which reads the training examples."""


class Initialisation(Schema):
    """How weights start: `pytorch` keeps each layer's default, `normal` draws N(0, std) as the official SGAN code does.

    With `normal`, biases start at 0 and batch-norm scales at 1.
    """

    name: Literal["pytorch", "normal"] = "pytorch"
    std: Rate = 0.02


class GeneratorParameters(Schema):
    """G_i(h_{i+1}, z_i): a branch for the condition, one for the noise, joined along channels, then the trunk."""

    condition: InnerNetwork = ()
    noise: InnerNetwork = ()
    trunk: InnerNetwork = Field(min_length=1)


class DiscriminatorParameters(Schema):
    """D_i and Q_i: two heads on one trunk.

    Attributes:
        trunk: what both share.
        adversarial: D_i's head, to one logit.
        classes: instead of `adversarial`, the head of a D_i that is aware of classes, to one logit per class.
        noise: Q_i's head.
    """

    trunk: Network = Field(min_length=1)
    adversarial: InnerNetwork = ()
    classes: InnerNetwork = ()
    noise: InnerNetwork = Field(min_length=1)

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if bool(self.adversarial) == bool(self.classes):
            raise ValueError(
                "adversarial: D has one head, `adversarial`, which ends in one logit, or `classes`, in one per class; "
                f"found {'both' if self.classes else 'neither'}. The other one is the empty list []"
            )
        return self
