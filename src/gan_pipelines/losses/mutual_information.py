"""L_I(G, Q) = E[log Q(c | x)] + H(c) <= I(c; G(z, c)) (InfoGAN, section 5): a variational lower bound.

x = G(z, c) with c drawn from its prior. The bound is tight where Q is the true posterior. A categorical code's bound
is at most H(c); a continuous code's has no ceiling, since its entropies are differential. docs/theory.md derives both.
"""

from jaxtyping import Float
from torch import Tensor


def information_bound(log_posterior: Float[Tensor, "batch entries"], prior_entropy: float) -> Float[Tensor, ""]:
    """L_I of one code: the mean over the batch of log Q, summed over the code's entries, plus H(c), in nats.

    Args:
        log_posterior: log Q(c | x) of the codes that were drawn, x generated from them.
        prior_entropy: H(c), which no training changes.
    """
    return log_posterior.sum(dim=1).mean() + prior_entropy
