"""Networks built from their specs: encoder, levels, stack, InfoGAN, and their latents."""

from gan_pipelines.models.encoder import Encoder, EncoderSpec
from gan_pipelines.models.infogan import InfoGAN, InfoGANSpec
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.level import DiscriminatorOutput, LevelGAN, LevelSpec
from gan_pipelines.models.stack import StackedGenerator, StackSpec, assemble_stack
from gan_pipelines.models.standing import standing_infogan, standing_levels, standing_stack

__all__ = [
    "DiscriminatorOutput",
    "Encoder",
    "EncoderSpec",
    "InfoGAN",
    "InfoGANSpec",
    "Latent",
    "LevelGAN",
    "LevelSpec",
    "StackSpec",
    "StackedGenerator",
    "assemble_stack",
    "standing_infogan",
    "standing_levels",
    "standing_stack",
]
