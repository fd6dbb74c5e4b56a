"""Paired statistics on per-query differences: what tells a change of an index from luck.

Everything is seeded and independent of the order of queries where it can be exact; the same input gives the same verdict. The
tests ask about the queries at hand (randomisation) and the interval about queries like them (bootstrap); Smucker, Allan and
Carterette (CIKM 2007) compare both for retrieval and find them in agreement, and the sign test much weaker: it is shown, because
everybody can check it by counting, but it does not decide.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from kb_platform.quality.gate_parameters import GateParameters

RESAMPLES = GateParameters.resamples
SEED = GateParameters.seed
_EXACT_UP_TO = 12  # 4,096 sign patterns
_FEW_VALUES = 256
_CELLS = 4_000_000  # bounds the memory of one block of resamples to 32 MB


def paired_bootstrap(
    differences: Sequence[float] | np.ndarray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean difference.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; for retrieval, Sakai (SIGIR 2006).

    Args:
        differences: candidate minus live, one value per query; at least one.
        confidence: two-sided coverage, between 0 and 1.
        resamples: how many times the queries are drawn with replacement.
        seed: of the generator.
    """
    d = _vector(differences)
    values, counts = np.unique(d, return_counts=True)
    rng = np.random.default_rng(seed)
    if len(values) <= _FEW_VALUES:  # drawing queries with replacement is drawing counts of their distinct values
        means = rng.multinomial(len(d), counts / len(d), size=resamples) @ values / len(d)
    else:
        means = np.concatenate([d[rng.integers(0, len(d), (rows, len(d)))].mean(axis=1) for rows in _blocks(resamples, len(d))])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def sign_flip_test(differences: Sequence[float] | np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED) -> float:
    """Return the two-sided mid-p value of the paired permutation test: were the labels candidate and live exchangeable?

    Each non-zero difference has its sign flipped at random (Fisher 1935; Smucker et al. 2007). Exact by enumeration for up to 12
    non-zero differences and by the binomial distribution where all have one size (then it is McNemar's test); sampled otherwise,
    with the observed pattern counted in, so that p is never 0 (Phipson and Smyth 2010). The mid-p value counts patterns that are
    as extreme as the observed one half: Fagerland, Lydersen and Laake (2013) find that it keeps its level while the exact value
    for few discordant pairs rejects far less often than alpha says. No difference at all gives 1.
    """
    d = _vector(differences)
    d = d[d != 0]
    if not len(d):
        return 1.0
    observed = abs(float(d.sum()))
    if np.ptp(np.abs(d)) <= 1e-12:
        return mcnemar_mid_p(int((d > 0).sum()), int((d < 0).sum()))
    if len(d) <= _EXACT_UP_TO:
        signs = 1 - 2 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        return _mid_p(np.abs(signs @ d), observed, 0)
    return _mid_p(np.abs(_flipped_sums(np.abs(d), resamples, seed)), observed, 1)


def _flipped_sums(sizes: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values, counts = np.unique(sizes, return_counts=True)
    if len(values) <= _FEW_VALUES:
        return (2 * rng.binomial(counts, 0.5, (resamples, len(values))) - counts) @ values
    blocks = [(1 - 2 * rng.integers(0, 2, (rows, len(sizes)), dtype=np.int8)) @ sizes for rows in _blocks(resamples, len(sizes))]
    return np.concatenate(blocks)


def _mid_p(sums: np.ndarray, observed: float, observed_as_well: int) -> float:
    slack = 1e-9 * max(observed, 1e-3)  # sums that differ by rounding are equal
    beyond, equal = int((sums > observed + slack).sum()), int((np.abs(sums - observed) <= slack).sum()) + observed_as_well
    return (beyond + equal / 2) / (len(sums) + observed_as_well)


def mcnemar_mid_p(wins: int, losses: int) -> float:
    """Return the two-sided mid-p value of McNemar's test: as `sign_test`, with the observed count half (Fagerland et al. 2013)."""
    pairs = wins + losses
    if wins == losses:
        return 1.0 - math.comb(pairs, wins) / 2**pairs / 2 if pairs else 1.0
    return sign_test(wins, losses) - math.comb(pairs, wins) / 2**pairs


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p value of the sign test, ties left out (Conover, Practical Nonparametric Statistics, 3.4).

    Six losses without a win are the first count that is below 0.05 (2 / 2^6).
    """
    wins, losses = int(wins), int(losses)  # numpy integers overflow in 2**pairs
    pairs = wins + losses
    term = tail = 1
    for k in range(min(wins, losses)):  # C(n, k + 1) from C(n, k): ten thousand pairs in milliseconds
        term = term * (pairs - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**pairs)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p values adjusted for testing all of them: at most alpha of all families hold one false rejection.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = highest
    return adjusted


def smallest_clean_loss(alpha: float) -> int:
    """Return how many equal losses without a gain `sign_flip_test` needs to fall to alpha: 5 at 0.05."""
    return max(1, math.ceil(-math.log2(alpha) - 1e-9))


def minimum_detectable_effect(differences: Sequence[float] | np.ndarray, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the true mean loss that a comparison of these queries would find significant in `power` of all cases.

    Normal approximation with the observed spread (Sakai, Information Retrieval Journal 19, 2016), but never less than the
    smallest clean loss: queries that all agree have no spread, yet one flip among them would prove nothing.
    """
    d = _vector(differences)
    quantile = NormalDist().inv_cdf
    spread = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    from_spread = (quantile(1 - alpha / 2) + quantile(power)) * spread / math.sqrt(len(d))
    return min(1.0, max(from_spread, smallest_clean_loss(alpha) / len(d)))


def _vector(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    d = np.sort(np.asarray(differences, dtype=np.float64))  # sorted: the verdict must not depend on the order of queries
    if d.ndim != 1 or not len(d) or not np.isfinite(d).all():
        raise ValueError("expected a flat, non-empty sequence of finite differences")
    d[np.abs(d) < 1e-12] = 0.0
    return d


def _blocks(resamples: int, width: int) -> list[int]:
    rows = max(1, _CELLS // width)
    return [min(rows, resamples - done) for done in range(0, resamples, rows)]
