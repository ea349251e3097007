"""The weights of trained models as the first ones of another training."""

from typing import TypeVar

from torch import nn

from gan_pipelines.models import Encoder, InfoGAN, LevelGAN

Trained = Encoder | LevelGAN | InfoGAN
AnyTrained = TypeVar("AnyTrained", Encoder, LevelGAN, InfoGAN)


def take_weights(model: AnyTrained, initial: AnyTrained) -> AnyTrained:
    """Replace new weights by trained ones: those of E; or of G, D, Q and, if both have one, the average of G.

    Without an average of its own, the trained G is where the new average starts.

    Args:
        model: is changed in place.
        initial: has the same networks.
    """
    if isinstance(model, Encoder):
        model.load_state_dict(initial.state_dict())
        return model
    parts: list[tuple[nn.Module, nn.Module]] = [
        (model.generator, initial.generator),
        (model.discriminator, initial.discriminator),
    ]
    if model.averaged_generator is not None:
        parts.append((model.averaged_generator, initial.sampling_generator))
    for ours, theirs in parts:
        ours.load_state_dict(theirs.state_dict())
    return model
