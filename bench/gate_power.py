"""Measure how often the golden gate stops what is as good as before, and how often it catches what got worse.

    python bench/gate_power.py [--json] [--queries 200 ...] [--precision 0.005]

Each simulated candidate is judged by `decide_gate` itself, with the default parameters (but 1,000 resamples instead of 10,000, which
moves no p value by more than chance does). The world: live answers 90 % of the queries within the first five hits. A candidate of
unchanged quality loses 2 % of all queries and wins as many (4 % churn of verdicts: what re-chunking and a rebuilt
HNSW do), and ranks of 15 % of the others move. `caught_5pp` and `caught_10pp` lose 5 or 10 of 100 queries on top of that, drawn at
random. Goldens are in three slices of one size, a tenth of them critical; no floor is set, for floors need no statistics.

    false_block   unchanged candidates with the verdict regression; inconclusive_unchanged are those that go to a person
    caught_5pp    candidates that lost 5 points with the verdict regression; stopped_5pp counts inconclusive as well

Rates are simulated until their standard error is below `--precision`, half of that for false_block.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import Progress

from kb_platform.index.cores import usable_cores
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet, Severity

QUERIES = (50, 100, 200, 400, 800)
DROPS = (0.0, 0.05, 0.10)
ANSWERED, CHURN, RANK_CHURN = 0.90, 0.04, 0.15
RANKS, FREQUENCY = np.arange(1, 6), np.array([0.62, 0.17, 0.09, 0.07, 0.05])
ROUND = 250
MOST = 12_000
PARAMETERS = GateParameters(resamples=1000)


def golden_set(queries: int) -> GoldenSet:
    """Return goldens in three slices, every tenth of them critical."""

    def golden(n: int) -> Golden:
        severity = Severity.CRITICAL if n % 10 == 0 else Severity.NORMAL
        return Golden(f"q{n:04}", f"Question {n}?", (ExpectedPassage("doc", f"answer {n}"),), (f"slice-{n % 3}",), severity)

    return GoldenSet.of([golden(n) for n in range(queries)])


def ranks_of(answered: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rank of each query's answer: 1 to 5 where it is answered, else 6 to 10 or 0 for not found."""
    beyond = np.where(rng.random(len(answered)) < 0.4, rng.integers(6, 11, len(answered)), 0)
    return np.where(answered, rng.choice(RANKS, len(answered), p=FREQUENCY), beyond)


def live_and_candidate(queries: int, drop: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides' ranks: each query keeps its verdict but for churn, and but for the drop."""
    live, luck, half = rng.random(queries) < ANSWERED, rng.random(queries), CHURN / 2
    now = np.where(live, luck >= (half + drop) / ANSWERED, luck < half / (1 - ANSWERED))
    before = ranks_of(live, rng)
    moved = (live != now) | (rng.random(queries) < RANK_CHURN)
    return before, np.where(moved, ranks_of(now, rng), before)


def measures(rank: int) -> dict[str, float]:
    """Return the measures of a query with one relevant passage at this rank, 0 for not found."""
    reciprocal = 1 / rank if rank else 0.0
    gain = 1 / math.log2(rank + 1) if rank else 0.0
    return {"Success@1": float(rank == 1), "Success@5": float(0 < rank <= 5), "RR@10": reciprocal, "R@10": float(rank > 0), "nDCG@10": gain}


BY_RANK = [measures(rank) for rank in range(11)]


def judge_round(queries: int, drop: float, seed: int) -> Counter[str]:
    """Return how often each verdict was given in one round of candidates."""
    rng, goldens = np.random.default_rng(seed), golden_set(queries)
    ids = [golden.id for golden in goldens.goldens]
    said: Counter[str] = Counter()
    for _ in range(ROUND):
        live, now = (dict(zip(ids, (BY_RANK[r] for r in ranks), strict=True)) for ranks in live_and_candidate(queries, drop, rng))
        said[decide_gate(now, live, goldens, PARAMETERS).verdict.value] += 1
    return said


@dataclass
class Cell:
    """One number of queries with one drop: what was said so far."""

    queries: int
    drop: float
    precision: float
    said: Counter[str] = field(default_factory=Counter)

    def rate(self, verdict: str) -> float:
        """Return the share of candidates with a verdict."""
        return self.said[verdict] / max(1, self.said.total())

    @property
    def needed(self) -> int:
        """Return how many candidates make the rate of regressions as precise as it should be; at least eight rounds."""
        rate, total = self.rate("regression"), self.said.total()
        if total < 2 * ROUND:
            return 8 * ROUND
        spread = max(rate * (1 - rate), 1 / total)
        return min(MOST, max(8 * ROUND, ROUND * math.ceil(spread / self.precision**2 / ROUND)))

    @property
    def done(self) -> bool:
        """Return whether nothing more is needed."""
        return self.said.total() >= self.needed


def simulate(numbers: list[int], precision: float) -> list[Cell]:
    """Run rounds on all cores until every cell is precise enough; the same seeds give the same figures."""
    cells = [Cell(n, drop, precision if drop else precision / 2) for n in numbers for drop in DROPS]
    with ProcessPoolExecutor(usable_cores()) as pool, Progress(console=Console(stderr=True)) as bar:
        for cell in cells:
            task = bar.add_task(f"{cell.queries} queries, {cell.drop:.0%} lost", total=cell.needed)
            for said in rounds_of(cell, pool):
                cell.said += said
                bar.update(task, completed=cell.said.total(), total=cell.needed)
    return cells


def rounds_of(cell: Cell, pool: ProcessPoolExecutor) -> Iterator[Counter[str]]:
    """Yield rounds, two at a time, until the cell is done."""
    number = 0
    while not cell.done:
        seeds = [[cell.queries, round(cell.drop * 100), number + n] for n in range(2)]
        number += 2
        yield from pool.map(judge_round, [cell.queries] * 2, [cell.drop] * 2, [np.random.SeedSequence(s).generate_state(1)[0] for s in seeds])


def report(cells: list[Cell]) -> dict[str, dict[str, float]]:
    """Return the rates by number of queries."""
    found: dict[str, dict[str, float]] = {}
    for cell in cells:
        name = f"{cell.drop * 100:.0f}pp"
        rates = {"caught_" + name: cell.rate("regression"), "stopped_" + name: 1 - cell.rate("pass")}
        if not cell.drop:
            rates = {"false_block": cell.rate("regression")}
        rates["inconclusive_" + (name if cell.drop else "unchanged")] = cell.rate("inconclusive")
        rates["simulated_" + (name if cell.drop else "unchanged")] = cell.said.total()
        found.setdefault(str(cell.queries), {}).update({key: round(value, 4) for key, value in rates.items()})
    return found


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object: rates by number of queries")
    parser.add_argument("--queries", type=int, nargs="+", default=list(QUERIES), help="numbers of goldens")
    parser.add_argument("--precision", type=float, default=0.005, help="standard error of the rates")
    asked = parser.parse_args()
    found = report(simulate(asked.queries, asked.precision))
    if asked.json:
        print(json.dumps(found))
        return
    print("queries  false block  (a person)   -5 pp caught  stopped   -10 pp caught  stopped")
    for queries, row in found.items():
        print(f"{queries:>7}  {row['false_block']:11.3f}  {row['inconclusive_unchanged']:10.3f}   {row['caught_5pp']:12.3f}  "
              f"{row['stopped_5pp']:7.3f}   {row['caught_10pp']:13.3f}  {row['stopped_10pp']:7.3f}")


if __name__ == "__main__":
    main()
