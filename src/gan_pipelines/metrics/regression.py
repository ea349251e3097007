"""How much of a real representation another one leaves open, estimated by kernel ridge regression."""

from itertools import product

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gan_pipelines.data.images import Representation

WIDTHS, RIDGES = (0.5, 2.0, 8.0, 32.0), (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of the kernel, relative to the mean squared distance of two conditions; of the penalty, relative to the kernel."""
MOST_IMAGES = 3000
"""The regression sees no more than so many; its time grows with their cube."""


def conditional_variance(
    condition: Representation,
    target: Representation,
    groups: Int64[Tensor, "count"],
    rng: torch.Generator,
) -> float:
    """An upper estimate of E Var(target | condition), summed over the target's entries; the mean over groups.

    E |target - f(condition)|^2 is smallest, and equal to the conditional variance, if f is the conditional mean, so any
    other regression leaves more. Here f is kernel ridge regression (Saunders et al. 1998) with a Gaussian kernel, and
    the error at each image is that of the regression on all others. Width and penalty are chosen on a quarter of the
    images, and the errors are measured on the rest.

    Args:
        condition: what the regression gets of each image.
        target: of the same images.
        groups: of the images; each group counts equally, however many images it has.
        rng: draws the images and the quarter.
    """
    order = torch.randperm(len(groups), generator=rng)[:MOST_IMAGES]
    choosing, measuring = order.tensor_split([(len(order) + 3) // 4])

    def compared(of: Tensor) -> tuple[Tensor, Tensor]:
        """All that a regression needs of the images, whatever its settings and however large they are."""
        given, wanted = (side.batch(of).flatten(1).double() for side in (condition, target))
        wanted -= wanted.mean(dim=0)
        return torch.cdist(given, given) ** 2, wanted @ wanted.T

    few = compared(choosing)
    chosen = min(product(WIDTHS, RIDGES), key=lambda settings: left_out_errors(*few, *settings).mean().item())
    found, measured = left_out_errors(*compared(measuring), *chosen), groups[measuring]
    return torch.stack([found[measured == group].mean() for group in measured.unique()]).mean().item()


def left_out_errors(
    squared: Float[Tensor, "count count"], products: Float[Tensor, "count count"], width: float, ridge: float
) -> Float[Tensor, "count"]:
    """Squared error at each example of a kernel ridge regression on all the others.

    It needs no second regression: with C = (K + ridge)^-1, the error is the row of C y divided by the diagonal entry of
    C (Rasmussen and Williams 2006, equation 5.12). Its square needs y y^T alone.

    Args:
        squared: distances between what the regression gets of two examples, squared.
        products: of what it should give for two examples; the mean of all is taken off before, and is not penalised.
        width: of the kernel exp(-d^2 / width), in mean squared distances.
        ridge: the penalty; the kernel of an example with itself is 1.
    """
    kernel = torch.exp(-squared / (width * squared.mean()).clamp_min(torch.finfo(squared.dtype).tiny))
    kernel.diagonal().add_(ridge)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    missed = inverse / inverse.diagonal()[:, None]
    return ((missed @ products) * missed).sum(dim=1)
