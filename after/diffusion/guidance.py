"""Guidance: which branches of a conditional network the strengths need, and how their predictions add up."""


def branches_needed(guidance_structure: float, guidance_timbre: float) -> list[int]:
    """Tell which branches the guidance strengths need, as bits: 1 sees the structure, 2 the timbre, 3 both, 0 none.

    prediction = f(0) + g_structure (f(structure) - f(0)) + g_timbre (f(both) - f(structure)), so terms with weight
    zero drop out: one branch when both strengths are 1 or 0, two when they are equal or the structure's is 1, else
    three; one less when the timbre's is 0.
    The weights add up to 1 and estimates of data and noise are affine in what is predicted, so it does not matter which
    of them is guided.
    Source: Ho and Salimans 2022, arXiv 2207.12598, equation 6, nested as in Brooks et al. 2023, arXiv 2211.09800,
    equation 3.
    """
    needed = [0] * 0
    if guidance_timbre != 0.0:
        needed.append(3)
    if guidance_structure != guidance_timbre:
        needed.append(1)
    if guidance_structure != 1.0:
        needed.append(0)
    return needed


def branch_weight(branch: int, guidance_structure: float, guidance_timbre: float) -> float:
    """Give the weight of a branch's prediction in the sum that `branches_needed` explains."""
    if branch == 3:
        return guidance_timbre
    if branch == 1:
        return guidance_structure - guidance_timbre
    return 1.0 - guidance_structure
