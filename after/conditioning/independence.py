"""Structure without timbre, but without a critic: what is linear in the leak is measured and penalised directly."""

import torch
from torch import Tensor


def correlation_penalty(structure: Tensor, timbre: Tensor) -> Tensor:
    """Give the mean squared correlation between statistics of the structure and the timbre, over a batch.

    1 where each statistic (mean and standard deviation over time of each channel) follows each entry of the timbre;
    1 / (B - 1) on average where they are independent, so use the largest batches at hand. It needs no critic, cannot
    run in circles, and takes out all that a linear probe reads. With linear kernels, this is the Hilbert-Schmidt
    independence criterion of the standardised statistics: Gretton et al. 2005, "Measuring statistical dependence with
    Hilbert-Schmidt norms".

    Args:
        structure: [B, L, S].
        timbre: [B, E], or groups as rows of zeros and a one; detached.
    """
    variance, mean = torch.var_mean(structure.float(), dim=1, correction=0)
    statistics = _standardise(torch.cat([mean, (variance + 1e-6).sqrt()], dim=1))
    standardised = _standardise(timbre.detach().float())
    with torch.autocast(structure.device.type, enabled=False):
        correlation = statistics.T @ standardised / structure.size(0)
    return correlation.square().mean()


def _standardise(x: Tensor) -> Tensor:
    """Bring the columns of [B, N] to mean 0 and deviation 1, also where they vary little.

    Otherwise a code would escape the penalty by shrinking, and be lost in its own noise.
    """
    centred = x - x.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + 1e-10).sqrt()
