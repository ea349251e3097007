"""The whole experiment: what is scored, and what must hold between blocks."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, create_model, model_validator

from gan_pipelines.parameters.ablation import AblationParameters
from gan_pipelines.parameters.base import Count, ExperimentError, FilePath, Schema, Window, explain
from gan_pipelines.parameters.chosen_model import ChosenModel
from gan_pipelines.parameters.classifier import LABELS, EncoderParameters, JudgeParameters
from gan_pipelines.parameters.compare import CompareParameters
from gan_pipelines.parameters.data import DataParameters
from gan_pipelines.parameters.export import ExportParameters
from gan_pipelines.parameters.infogan import InfoGANParameters
from gan_pipelines.parameters.own_blocks import PARAMETERS, read_own_blocks
from gan_pipelines.parameters.registry import RegistryParameters
from gan_pipelines.parameters.run import RunParameters
from gan_pipelines.parameters.sample import SampleParameters
from gan_pipelines.parameters.sgan import SGANParameters
from gan_pipelines.parameters.start import StartFrom
from gan_pipelines.parameters.sweep import SweepParameters
from gan_pipelines.parameters.unsupervised import UnsupervisedParameters, unsupervised_stack
from gan_pipelines.parameters.watch import WatchParameters

FeatureNetworkName = Literal["judge", "efficientnet_lite0", "inception_v3"]
"""On whose features pictures are compared: the experiment's own judge, or a network trained on ImageNet."""


INITIAL = "initial_"
"""How the datasets begin from which trainings take their first weights."""


class EvaluationParameters(Schema):
    """How generators are judged.

    Attributes:
        split: the real images against which everything is scored; `validation` while a recipe is chosen.
        samples: drawn from each generator, in the class proportions of the test images if it takes labels.
        features: the judge's representation on which distances are computed; not `labels`.
        networks: on whose features distances are computed; must include the judge.
        inception_weights: file with the weights of `inception_v3`; `null` downloads them.
        pictures: a folder of pictures from elsewhere, loose or one folder per class; the pipeline `pictures` scores it.
        grid_columns: pictures per class, category or traversal in the figures.
    """

    split: Literal["test", "validation"] = "test"
    samples: Annotated[Count, Field(ge=20, le=10_000_000)] = 10_000
    features: str
    networks: tuple[FeatureNetworkName, ...] = ("judge",)
    inception_weights: FilePath | None = None
    pictures: FilePath | None = None
    grid_columns: Window = 10

    @property
    def scored_images(self) -> str:
        """The dataset of the real images against which everything is scored."""
        return f"{self.split}_images"

    @model_validator(mode="after")
    def _check_networks(self) -> Self:
        if "judge" not in self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError(f"networks: must name the judge, and each network once; found {list(self.networks)}")
        return self


class InitialModel(NamedTuple):
    """The model that a training starts from.

    Attributes:
        where: the training's place in the YAML.
        reference: names the model.
    """

    where: str
    reference: str


class Experiment(Schema):
    """All parameters of one experiment, checked together before anything runs."""

    run: RunParameters
    data: DataParameters
    classifier: EncoderParameters
    judge: JudgeParameters
    second_judge: JudgeParameters
    sgan: SGANParameters
    infogan: InfoGANParameters
    unsupervised: UnsupervisedParameters
    evaluation: EvaluationParameters
    ablation: AblationParameters
    compare: CompareParameters
    sample: SampleParameters
    export: ExportParameters
    registry: RegistryParameters
    sweep: SweepParameters

    @model_validator(mode="after")
    def _check_between_blocks(self) -> Self:
        problems = list(self.sgan.check_against(self.classifier))
        problems += [
            f"unsupervised.conditional_weights.{name}: there is no such level; the levels are "
            f"{', '.join(self.sgan.levels)}"
            for name in self.unsupervised.conditional_weights
            if name not in self.sgan.levels
        ]
        known = [name for name in self.judge.networks if name != LABELS]
        if self.evaluation.features not in known:
            problems.append(
                f"evaluation.features: unknown representation {self.evaluation.features!r}; "
                f"the judge has {', '.join(known)}"
            )
        if self.evaluation.samples < self.judge.training.batch_size:
            problems.append(
                f"evaluation.samples: a classifier like the judge is trained on them, so they must be at least its "
                f"training.batch_size, {self.judge.training.batch_size}; found {self.evaluation.samples}"
            )
        if self.evaluation.split == "validation" and not self.data.validation_fraction:
            problems.append(
                "evaluation.split: there are no validation images (found 'validation', and "
                "data.validation_fraction is 0); allowed: 'test', or a fraction above 0"
            )
        problems += [
            f"{where}: scores are of validation images, and there are none (data.validation_fraction is 0); allowed: a "
            f"fraction above 0, or no watch"
            for where in self.watched
            if not self.data.validation_fraction
        ]
        penalised = [name for name, level in self.sgan.levels.items() if level.loss_weights.gradient_penalty]
        if penalised and (self.run.workers > 1 or self.run.compile != "off"):
            problems.append(
                f"sgan.levels.{penalised[0]}.loss_weights.gradient_penalty: second derivatives are computed neither by "
                f"several workers nor by compiled networks; found run.workers {self.run.workers} and run.compile "
                f"{self.run.compile!r}, allowed are 1 and 'off'"
            )
        workers = self.run.workers
        problems += [
            f"{where}.training.batch_size: must be a multiple of run.workers, {workers}, and at least twice as much; "
            f"found {batch_size}"
            for where, batch_size in self.batch_sizes.items()
            if batch_size % workers or batch_size < 2 * workers
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def batch_sizes(self) -> dict[str, int]:
        """Images in a batch of each training, by the training's place in the YAML."""
        return batch_sizes(self.classifier, self.judge, self.second_judge, self.sgan, self.infogan)

    @property
    def watched(self) -> dict[str, WatchParameters]:
        """The trainings that are scored while they go on, by the place in the YAML that says so."""
        return watched(self.sgan, self.infogan)

    @property
    def unsupervised_sgan(self) -> SGANParameters:
        """The levels and the joint training of the stack without labels."""
        return unsupervised_stack(self.sgan, self.unsupervised)

    @property
    def chosen_models(self) -> dict[str, ChosenModel]:
        """The blocks that name a trained generator, by their place in the YAML."""
        return {"sample": self.sample, "export": self.export}

    @property
    def initial_models(self) -> dict[str, InitialModel]:
        """The models that trainings start from, by the dataset that stands for each, such as `initial_level_fc3`."""
        trainings = {
            "encoder": ("classifier", self.classifier.initialise),
            **{f"level_{name}": (f"sgan.levels.{name}", level.initialise) for name, level in self.sgan.levels.items()},
            "infogan": ("infogan", self.infogan.initialise),
        }
        found = {
            f"{INITIAL}{name}": InitialModel(f"{where}.initialise.from", start.model)
            for name, (where, start) in trainings.items()
            if isinstance(start, StartFrom)
        }
        for name, reference in self.sgan.joint.initial_levels.items():
            found[f"{INITIAL}joint_level_{name}"] = InitialModel(f"sgan.joint.initialise.from.{name}", reference)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """An experiment travels to another process as its values: a class with blocks of others is found nowhere."""
        return Experiment.read, (self.model_dump(mode="json"),)

    @classmethod
    def _with_own_blocks(cls) -> type[Self]:
        own = read_own_blocks()
        if taken := sorted(own.keys() & cls.model_fields):
            raise ExperimentError(f"{PARAMETERS}: the block {taken[0]} is one of gan_pipelines; choose another name.")
        return _extended(cls, tuple(own.items())) if own else cls

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Self:
        """Validate raw YAML, with the blocks that other packages bring.

        Raises:
            ExperimentError: one paragraph naming every bad field, what was found and what is allowed; or a package
                brings a block that is no schema, or has the name of one that is there.
        """
        whole = cls._with_own_blocks()
        try:
            return whole.model_validate(dict(parameters))
        except ValidationError as error:
            strange = parameters.keys() - whole.model_fields.keys()
            blocks = f" Blocks are {', '.join(whole.model_fields)}; packages bring others (docs/extend.md)."
            raise ExperimentError(explain(error, parameters) + (blocks if strange else "")) from None


@cache
def _extended(base: type[Experiment], own: tuple[tuple[str, type[Schema]], ...]) -> type[Any]:
    """An experiment with more blocks; one whose fields all have defaults may be left out."""
    fields: dict[str, Any] = {
        name: (schema, ... if any(field.is_required() for field in schema.model_fields.values()) else schema())
        for name, schema in own
    }
    return create_model(base.__name__, __base__=base, **fields)


def watched(sgan: SGANParameters, infogan: InfoGANParameters) -> dict[str, WatchParameters]:
    """The trainings that are scored while they go on, by the place in the YAML that says so."""
    found = {"sgan.joint.watch": sgan.joint.watch, "infogan.watch": infogan.watch}
    return {where: watch for where, watch in found.items() if watch}


def batch_sizes(
    classifier: EncoderParameters,
    judge: JudgeParameters,
    second_judge: JudgeParameters,
    sgan: SGANParameters,
    infogan: InfoGANParameters,
) -> dict[str, int]:
    """Images in a batch of each training, by the training's place in the YAML."""
    return {
        "classifier": classifier.training.batch_size,
        "judge": judge.training.batch_size,
        "second_judge": second_judge.training.batch_size,
        **{f"sgan.levels.{name}": level.training.batch_size for name, level in sgan.levels.items()},
        "sgan.joint": sgan.joint.training.batch_size,
        "infogan": infogan.training.batch_size,
    }
