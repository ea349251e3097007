"""Levels, joint training."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from gan_pipelines.parameters.base import Count, Schema, Weight, WithoutRemoved
from gan_pipelines.parameters.classifier import LABELS, PIXELS, UNCONDITIONAL, ClassifierParameters
from gan_pipelines.parameters.networks import DiscriminatorParameters, GeneratorParameters, Initialisation
from gan_pipelines.parameters.noise import Noise
from gan_pipelines.parameters.start import ModelReference, Start
from gan_pipelines.parameters.training import AdversarialLossName, TrainingParameters
from gan_pipelines.parameters.watch import Watched, check_watch


class LossWeights(Schema):
    """Weights of the losses; the official settings of the first three are 1, 1 and 10.

    Attributes:
        adversarial: lambda_1 of L_G (SGAN, section 3), and the weight of L_D.
        conditional: lambda_2.
        entropy: lambda_3, of G, and of D with Q.
        classes: of the cross-entropy of a D that is aware of classes.
        gradient_penalty: gamma of R1, which D minimises (Mescheder et al. 2018).
    """

    adversarial: Weight = 1.0
    conditional: Weight = 1.0
    entropy: Weight = 10.0
    classes: Weight = 1.0
    gradient_penalty: Weight = 0.0


class GeneratorUpdates(Schema):
    """How many updates G_i gets for one of D_i, where D_i's adversarial loss, without its weight, is above a threshold.

    With `discriminator_terms: mean` that is the mean of the two terms, ln 2 = 0.69 if D_i is at chance.
    """

    above: Weight
    updates: Count


class LevelParameters(Schema):
    """One level of the stack; its key in `levels` names the representation that it generates.

    Attributes:
        condition: the level above, from whose representation it generates; for the first level `labels`, or `none`
            to generate from noise alone, without a conditional loss.
        noise: z_i.
        generator: G_i.
        discriminator: D_i and Q_i.
        initialisation: how the weights of G_i, D_i and Q_i start.
        adversarial_loss: form of L_adv, by name.
        discriminator_terms: `sum` adds the two terms of L_D, as in the paper; `mean` halves them, as in the official
            code.
        generator_updates: a schedule that gives G_i more updates as D_i gets ahead, the thresholds in falling order;
            the last one, 0, is for what is not above any. Empty: one update. Jointly, all G follow that of the pixels.
        loss_weights: weights of the losses.
        condition_noise: deviation of the Gaussian noise that is added to its condition while it trains alone, since the
            level above will not be perfect either; in the unit of the condition, and none on labels.
        initialise: `scratch` starts from new weights, `from` from those of another level.
        training: its independent training.
    """

    condition: str
    noise: Noise
    generator: GeneratorParameters
    discriminator: DiscriminatorParameters
    initialisation: Initialisation = Initialisation()
    adversarial_loss: AdversarialLossName = "non_saturating"
    discriminator_terms: Literal["sum", "mean"] = "sum"
    generator_updates: tuple[GeneratorUpdates, ...] = ()
    loss_weights: LossWeights = LossWeights()
    condition_noise: Weight = 0.0
    initialise: Start = "scratch"
    training: TrainingParameters

    @model_validator(mode="after")
    def _check_branch(self) -> Self:
        if self.condition == UNCONDITIONAL and self.generator.condition:
            raise ValueError(f"generator.condition: there is no condition ({UNCONDITIONAL!r}) to pass it; leave it out")
        return self

    @model_validator(mode="after")
    def _check_penalty(self) -> Self:
        distorted = any(layer.layer == "random_affine" for layer in self.discriminator.trunk)
        if self.loss_weights.gradient_penalty and distorted:
            raise ValueError(
                f"loss_weights.gradient_penalty: {self.loss_weights.gradient_penalty} needs second derivatives, which "
                f"random_affine in discriminator.trunk does not have; leave out one of the two"
            )
        return self

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        thresholds = [step.above for step in self.generator_updates]
        if thresholds and (thresholds != sorted(set(thresholds), reverse=True) or thresholds[-1] != 0):
            raise ValueError(
                f"generator_updates: thresholds must fall from one to the next, and end at 0; found {thresholds}"
            )
        return self

    def updates_of_generator(self, adversarial_loss: float) -> int:
        """How many updates G_i gets after one of D_i with this adversarial loss, without its weight."""
        last = self.generator_updates[-1].updates if self.generator_updates else 1
        return next((step.updates for step in self.generator_updates if adversarial_loss > step.above), last)


class StartFromLevels(Schema):
    """Trained levels whose weights the joint training takes over.

    Attributes:
        models: in the YAML called `from`; the model of each level by the level's name. Levels that are not named start
            from those trained alone.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    models: Annotated[dict[str, ModelReference], WithoutRemoved] = Field(alias="from", min_length=1)


class JointParameters(Schema):
    """End-to-end training of the stack.

    Attributes:
        initialise: `independent` starts from the trained levels, `scratch` from new weights, `from` from the levels
            that it names, such as those of an earlier joint training.
        upstream_weight: w; level k minimises its own loss + w x the losses of all levels below it.
        discriminators: of levels whose D_i and Q_i get other layers here, such as more dropout; unless they start from
            scratch, they take over the weights in their order, so these must have the same shapes. One set to `null` is
            removed.
        watch: whether the stack is scored while it trains, and the best weights are kept.
        training: as for a level.
    """

    initialise: Literal["independent", "scratch"] | StartFromLevels = "independent"
    upstream_weight: Weight = 0.01
    discriminators: Annotated[dict[str, DiscriminatorParameters], WithoutRemoved] = Field(default_factory=dict)
    watch: Watched = None
    training: TrainingParameters

    _check_watch = model_validator(mode="after")(check_watch)

    @property
    def initial_levels(self) -> dict[str, str]:
        """The model that each level named by `initialise: {from: ...}` starts from."""
        return self.initialise.models if isinstance(self.initialise, StartFromLevels) else {}


class SGANParameters(Schema):
    """The levels of a stack and their joint training.

    Attributes:
        levels: by the representation that they generate; sorted by their conditions from the top down to the pixels,
            whatever their order in the YAML. A level set to `null` is removed.
        joint: end-to-end training.
    """

    levels: Annotated[dict[str, LevelParameters], WithoutRemoved] = Field(min_length=1)
    joint: JointParameters

    @field_validator("levels")
    @classmethod
    def _sort_by_condition(cls, levels: dict[str, LevelParameters]) -> dict[str, LevelParameters]:
        if named := {LABELS, UNCONDITIONAL} & set(levels):
            raise ValueError(f"{min(named)}: a level generates a representation below the labels; found {list(levels)}")
        chain = list(_chain(levels))
        if stray := next((name for name in levels if name not in chain), None):
            raise ValueError(
                f"{stray}.condition: the levels do not connect; it must be the level above, or {LABELS!r} or "
                f"{UNCONDITIONAL!r} for the first; found {levels[stray].condition!r}"
            )
        if chain[-1] != PIXELS:
            raise ValueError(f"the last level must generate {PIXELS!r}; found {', '.join(chain)}")
        return {name: levels[name] for name in chain}

    @model_validator(mode="after")
    def _check_averaging(self) -> Self:
        for name, level in self.levels.items():
            if bool(level.training.ema_decay) != bool(self.joint.training.ema_decay):
                raise ValueError(
                    f"levels.{name}.training.ema_decay: averaging is on for all levels and the joint training, or off "
                    f"for all; found {level.training.ema_decay} here and {self.joint.training.ema_decay} in joint"
                )
        return self

    @model_validator(mode="after")
    def _check_discriminators(self) -> Self:
        if unknown := set(self.joint.discriminators) - set(self.levels):
            raise ValueError(
                f"joint.discriminators.{min(unknown)}: there is no such level; the levels are {', '.join(self.levels)}"
            )
        of_levels = {f"levels.{name}.discriminator": level.discriminator for name, level in self.levels.items()}
        jointly = {f"joint.discriminators.{name}": found for name, found in self.joint.discriminators.items()}
        for place, discriminator in {**of_levels, **jointly}.items():
            if discriminator.classes and not self.conditional:
                raise ValueError(
                    f"{place}.classes: a D that is aware of classes needs labels, and this stack has the condition "
                    f"{UNCONDITIONAL!r}; give D the head `adversarial` instead"
                )
        return self

    @model_validator(mode="after")
    def _check_initial_levels(self) -> Self:
        if unknown := set(self.joint.initial_levels) - set(self.levels):
            raise ValueError(
                f"joint.initialise.from.{min(unknown)}: there is no such level; the levels are {', '.join(self.levels)}"
            )
        return self

    @property
    def conditional(self) -> bool:
        """Whether the stack generates from labels."""
        return next(iter(self.levels.values())).condition != UNCONDITIONAL

    def check_against(self, classifier: ClassifierParameters) -> Iterator[str]:
        """Yield one sentence for each way in which the levels do not match the classifier's representations."""
        known = [*reversed(classifier.networks), PIXELS]
        for name in self.levels:
            if name not in known:
                yield f"sgan.levels.{name}: unknown representation; the classifier has {', '.join(known[1:])}"
        chain = [name for name in self.levels if name in known]
        for above, name in pairwise(chain):
            if known.index(above) > known.index(name):
                yield (
                    f"sgan.levels.{name}.condition: the levels do not connect; {above!r} is not above {name!r} in the "
                    f"classifier, which has {', '.join(known[1:])}"
                )


def _chain(levels: Mapping[str, LevelParameters]) -> Iterator[str]:
    """Names of the levels, each after the one whose representation is its condition."""
    below: dict[str, list[str]] = {}
    for name, level in levels.items():
        below.setdefault(level.condition, []).append(name)
    first = [name for condition in (LABELS, UNCONDITIONAL) for name in below.pop(condition, [])]
    while first:
        yield first[0]
        first = below.pop(first[0], [])
