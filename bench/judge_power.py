"""How often does the judged gate stop an unchanged release, and catch one whose answers got worse?

    python bench/judge_power.py [--runs 400] [--json]

The gate's own code (one vote, then all votes on what does not pass; noise measured on the sample) on simulated judges: each golden has
a true score, Beta(8, 2), mean 0.8; a vote is that score and the judge's noise, kept between 0 and 1. Every golden's input differs
from the live release's, which is the worst case: equal input is not judged twice. Shares of runs by verdict.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from rich.progress import track

from kb_platform.knowledge.progress import silent
from kb_platform.quality.judges.cases import Case
from kb_platform.quality.judges.endpoint import Endpoint
from kb_platform.quality.judges.noise import Noise, measure_noise
from kb_platform.quality.judges.parameters import JudgeParameters
from kb_platform.quality.judges.votes import Panel, Votes
from kb_platform.release.gates.answer_quality import confirm
from kb_platform.release.judged_votes import HowMany, Ledger

METRIC = "faithfulness"
SETTINGS = [(queries, noise, loss) for queries in (50, 100, 200) for noise in (0.1, 0.2) for loss in (0.0, 0.05, 0.1)]


class SimulatedLedger(Ledger):
    """Votes drawn once and read as often as the gate asks."""

    def __init__(self, votes: Sequence[np.ndarray]) -> None:
        super().__init__(cast(Any, None), Endpoint("http://127.0.0.1", "simulated"), 0.05, silent)
        self.votes = votes

    def panels(self, sides: Sequence[tuple[Case, ...]], metrics: Sequence[str], votes: HowMany) -> list[Panel]:
        """Return as many of the drawn votes as are wanted."""
        return [
            {case.golden: {METRIC: Votes(f"{side}/{n}".encode(), tuple(self.votes[side][n, : votes(METRIC, case.golden)]))}
             for n, case in enumerate(cases)}
            for side, cases in enumerate(sides)
        ]


def run(rng: np.random.Generator, queries: int, noise: float, loss: float, parameters: JudgeParameters) -> str:
    """Return one verdict."""
    truth = rng.beta(8, 2, (queries, 1))
    votes = [np.clip(side + rng.normal(0, noise, (queries, parameters.votes)), 0, 1) for side in (truth - loss, truth)]
    cases = tuple(Case(f"q{n}", "", (), "") for n in range(queries))

    def measured() -> dict[str, Noise | None]:
        return {METRIC: measure_noise([tuple(row) for side in votes for row in side[: parameters.noise]])}

    return confirm(SimulatedLedger(votes), (cases, cases), parameters, measured).verdict.verdict.value


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args()
    parameters = JudgeParameters(metrics={METRIC: None}, resamples=2000)
    rows = []
    for queries, noise, loss in track(SETTINGS, "simulating", disable=chosen.as_json):
        rng = np.random.default_rng(2026)
        said = Counter(run(rng, queries, noise, loss, parameters) for _ in range(chosen.runs))
        shares = {verdict: round(said[verdict] / chosen.runs, 3) for verdict in ("pass", "inconclusive", "regression")}
        rows.append({"queries": queries, "noise": noise, "loss": loss} | shares)
    if chosen.as_json:
        print(json.dumps({"runs": chosen.runs, "rows": rows}))
        return
    for row in rows:
        print(*(f"{name} {value:<6}" for name, value in row.items()))


if __name__ == "__main__":
    main()
