"""L_ent = E[-log Q_i(z_i | h^_i)] (SGAN, section 3.3): a bound on the conditional entropy H(h^_i | h_{i+1}).

If Q is a Gaussian of fixed standard deviation s, this is ||z - mu||^2 / (2 s^2) plus a constant: an L2 reconstruction
of the noise. s = sqrt(1/2) gives exactly the squared error of the official code. docs/theory.md derives both.
"""

from jaxtyping import Float
from torch import Tensor


def entropy_loss(log_posterior: Float[Tensor, "batch size"]) -> Float[Tensor, ""]:
    """Mean of -log Q over the batch and the entries of z, in nats per entry."""
    return -log_posterior.mean()
