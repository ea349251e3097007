"""L_I(G, Q) = E[log Q(c | x)] + H(c) <= I(c; G(z, c)) (InfoGAN, section 5): a variational lower bound.

x = G(z, c) with c drawn from its prior. The bound is tight if Q is the true posterior. For a categorical code it is at
most H(c); for a continuous one it is unbounded, since its entropies are differential. docs/theory.md derives both.
"""

from jaxtyping import Float
from torch import Tensor


def information_bound(log_posterior: Float[Tensor, "batch entries"], prior_entropy: float) -> Float[Tensor, ""]:
    """L_I of one code in nats: log Q summed over the code's entries and averaged over the batch, plus H(c).

    Args:
        log_posterior: log Q(c | x) of the drawn codes, where x was generated from them.
        prior_entropy: H(c), a constant.
    """
    return log_posterior.sum(dim=1).mean() + prior_entropy
