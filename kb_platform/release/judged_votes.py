"""The votes of one gate run: kept ones are read, missing ones asked once, and failed ones remembered, so that none is asked twice."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from kb_platform.knowledge.progress import Progress
from kb_platform.quality.judges.cases import JUDGED_METRICS, Case
from kb_platform.quality.judges.endpoint import CallFailed, Endpoint, Failure, Usage
from kb_platform.quality.judges.panel import Ballot, Vote, ask_votes, ballots_of, metric_version
from kb_platform.quality.judges.votes import Panel, Votes
from kb_platform.release.judged_cases import spent
from kb_platform.storage.database import Database
from kb_platform.storage.judge_votes import find_votes, keep_vote

HowMany = Callable[[str, str], int]
"""How many votes are wanted, by metric and golden."""


@dataclass
class Ledger:
    """What is known of every vote; grows while a gate runs. `reused` counts votes that were kept from before."""

    database: Database
    endpoint: Endpoint
    max_error_share: float
    progress: Progress
    usage: Usage = Usage()
    reused: int = 0
    given: int = 0
    failures: dict[tuple[bytes, int], CallFailed] = field(default_factory=dict)
    _scores: dict[tuple[bytes, int], float] = field(default_factory=dict)

    def panels(self, sides: Sequence[tuple[Case, ...]], metrics: Sequence[str], votes: HowMany) -> list[Panel]:
        """Return the votes on each side's cases, after asking for those that are missing."""
        ballots = [self._ballots(side, metrics, votes) for side in sides]
        wanted = {(b.key, b.number): b for side in ballots for b in side}
        self._read(wanted.keys())
        self._ask([ballot for place, ballot in wanted.items() if place not in self._scores and place not in self.failures], len(wanted))
        return [self._panel(side) for side in ballots]

    def failed_too_often(self) -> bool:
        """Return whether more of all votes so far failed than may fail."""
        return len(self.failures) > self.max_error_share * (len(self.failures) + len(self._scores))

    def _ballots(self, side: Sequence[Case], metrics: Sequence[str], votes: HowMany) -> list[Ballot]:
        return [
            ballot for case in side for metric in metrics if case.reference or not JUDGED_METRICS[metric].reference
            for ballot in ballots_of(self.endpoint.model, metric, case, votes(metric, case.golden))
        ]

    def _read(self, places: Collection[tuple[bytes, int]]) -> None:
        unknown = {place for place in places if place not in self._scores}
        found = find_votes(self.database, {key for key, _ in unknown})
        self._scores |= {place: score for place, score in found.items() if place in unknown}
        self.reused += len(found.keys() & unknown)

    def _ask(self, missing: list[Ballot], wanted: int) -> None:
        ready: list[Ballot] = []
        for ballot in missing:
            if JUDGED_METRICS[ballot.metric].answer and ballot.case.answer is None:
                self.failures[ballot.key, ballot.number] = CallFailed(Failure.NO_ANSWER, "the answering model gave no answer")
            else:
                ready.append(ballot)
        asked = ask_votes(self.endpoint, ready, self._keep, may_fail=int(self.max_error_share * wanted), progress=self.progress)
        self.usage += asked.usage
        self.failures |= {(failed.asked.key, failed.asked.number): failed.error for failed in asked.failed}
        for ballot in ready:  # what was given up after too many failures
            place = (ballot.key, ballot.number)
            if place not in self._scores and place not in self.failures:
                self.failures[place] = CallFailed(Failure.NOT_ASKED, "not asked any more after too many failures")

    def _keep(self, ballot: Ballot, vote: Vote, usage: Usage) -> None:
        self._scores[ballot.key, ballot.number] = vote.score
        self.given += 1
        keep_vote(self.database, ballot.key, ballot.number, judge=self.endpoint.model, metric=ballot.metric, version=metric_version(),
                  score=vote.score, reason=vote.reason, spent=spent(usage))

    def _panel(self, ballots: Sequence[Ballot]) -> Panel:
        panel: dict[str, dict[str, Votes]] = {}
        for ballot in ballots:
            score = self._scores.get((ballot.key, ballot.number))
            so_far = panel.setdefault(ballot.case.golden, {}).get(ballot.metric, Votes(ballot.key))
            scores = so_far.scores if score is None else (*so_far.scores, score)
            panel[ballot.case.golden][ballot.metric] = Votes(ballot.key, scores, so_far.failed + (score is None))
        return panel
