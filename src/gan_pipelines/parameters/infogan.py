"""InfoGAN: latent, networks, weights of the information, training."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Natural, Schema, Weight, WithoutRemoved
from gan_pipelines.parameters.networks import Initialisation, InnerNetwork
from gan_pipelines.parameters.noise import (
    GREATEST_LATENT,
    CategoricalCode,
    Code,
    ContinuousCode,
    Prior,
    single_codes,
)
from gan_pipelines.parameters.start import Start
from gan_pipelines.parameters.training import AdversarialLossName, TrainingParameters
from gan_pipelines.parameters.watch import Watched, check_watch

BASELINE = "For a plain GAN keep the codes and set both information_weights to 0"


class CodeDiscriminatorParameters(Schema):
    """D and Q: two heads on one trunk; the head `codes` gives the parameters of Q(c|x)."""

    trunk: InnerNetwork = Field(min_length=1)
    adversarial: InnerNetwork = Field(min_length=1)
    codes: InnerNetwork = Field(min_length=1)


class InformationWeights(Schema):
    """Lambda of L_I for each kind of code; at 0 only Q's head learns to recognise the code, G and D's trunk do not.

    Attributes:
        categorical: lambda of categorical codes.
        continuous: lambda of continuous codes.
        categorical_delay_steps: steps at the start in which the first of the two is 0.
        continuous_delay_steps: likewise of the second.
    """

    categorical: Weight = 1.0
    continuous: Weight = 0.1
    categorical_delay_steps: Natural = 0
    continuous_delay_steps: Natural = 0


class InfoGANParameters(Schema):
    """An InfoGAN (Chen et al. 2016).

    Attributes:
        noise: z, incompressible: Q does not read it.
        codes: c by name, in the order in which G is fed them. A code set to `null` is removed.
        generator: G, from noise and codes side by side to a picture.
        discriminator: D and Q.
        initialisation: how the weights of G, D and Q start.
        adversarial_loss: form of V, by name.
        information_weights: lambda.
        consistency_weight: of the invariant information of every categorical code, of real images under the trunk's
            `random_affine`, from the update on in which the code's lambda is above 0; not in the paper. At 0 it is left
            out of files and provenances, as in those of earlier versions.
        initialise: `scratch` starts from new weights, `from` from those of another InfoGAN.
        watch: whether it is scored while it trains, and the best weights are kept.
        training: length, rates, averaging.
    """

    noise: Prior
    codes: Annotated[dict[str, Code], WithoutRemoved]
    generator: InnerNetwork = Field(min_length=1)
    discriminator: CodeDiscriminatorParameters
    initialisation: Initialisation = Initialisation()
    adversarial_loss: AdversarialLossName = "non_saturating"
    information_weights: InformationWeights = InformationWeights()
    consistency_weight: Annotated[Weight, Field(exclude_if=lambda weight: not weight)] = 0.0
    initialise: Start = "scratch"
    watch: Watched = None
    training: TrainingParameters

    _check_watch = model_validator(mode="after")(check_watch)

    @model_validator(mode="after")
    def _check_codes(self) -> Self:
        if not self.codes:
            raise ValueError(f"codes: there is none, and an InfoGAN needs at least one. {BASELINE}")
        try:
            single_codes(self.codes)
        except ValueError as error:
            raise ValueError(f"codes: {error}") from None
        entries = self.noise.size + sum(code.entries for code in self.codes.values())
        if entries > GREATEST_LATENT:
            raise ValueError(
                f"codes: with the noise they may have {GREATEST_LATENT} entries, one for each category; found {entries}"
            )
        return self

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if not self.consistency_weight:
            return self
        if not any(layer.layer == "random_affine" for layer in self.discriminator.trunk):
            raise ValueError(
                f"consistency_weight: compares real images under two distortions, and discriminator.trunk has no layer "
                f"random_affine; add one or set the weight to 0; found {self.consistency_weight}"
            )
        if self.category_code is None:
            raise ValueError(
                f"consistency_weight: is of categorical codes, and there is none; add one or set the weight to 0; "
                f"found {self.consistency_weight}"
            )
        return self

    @model_validator(mode="after")
    def _check_delays(self) -> Self:
        weights, steps = self.information_weights, self.training.steps
        delays = {
            "categorical": weights.categorical_delay_steps if weights.categorical else 0,
            "continuous": weights.continuous_delay_steps if weights.continuous else 0,
        }
        for kind, delay in delays.items():
            if delay >= steps:
                raise ValueError(
                    f"information_weights.{kind}_delay_steps: must be below training.steps, {steps}, or G never "
                    f"learns of the {kind} codes; found {delay}"
                )
        return self

    @property
    def single_codes(self) -> dict[str, CategoricalCode | ContinuousCode]:
        """Every code by its own name."""
        return single_codes(self.codes)

    @property
    def category_code(self) -> tuple[str, CategoricalCode] | None:
        """Name and prior of the first categorical code; its categories name samples, and are a stack's classes."""
        codes = self.single_codes.items()
        return next(((name, code) for name, code in codes if isinstance(code, CategoricalCode)), None)

    def information_weights_at(self, step: int) -> dict[str, float]:
        """Lambda of every code at a step, the first being 1."""
        weights = self.information_weights
        kinds: dict[type[Schema], float] = {
            CategoricalCode: weights.categorical * (step > weights.categorical_delay_steps),
            ContinuousCode: weights.continuous * (step > weights.continuous_delay_steps),
        }
        return {name: kinds[type(code)] for name, code in self.single_codes.items()}
