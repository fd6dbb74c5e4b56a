"""Everything that is wrong with a knowledge base as it is written, each with its file and line: what a refresh would stumble over.

An error stops a refresh, or makes every release inconclusive. A warning lets it run: it then says less than it seems to.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from kb_platform.components.knowledge_base.deliverable import Deliverable
from kb_platform.components.knowledge_base.validate import check_embedding, place_of, read_of_its_folder
from kb_platform.knowledge.errors import ConfigError, KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.knowledge.spaces import ENDPOINT
from kb_platform.quality.golden import Golden, GoldenSet, LocatedGolden, try_goldens
from kb_platform.quality.passages import PassageState, ResolvedPassage, resolve_passages
from kb_platform.quality.text_match import closest_window, fold_text
from kb_platform.settings import current_settings

PLACED = re.compile(r"(.+?:\d+(?:: [\w.]+(?=: ))?): (.*)")  # file:line, and mostly the field
SHOWN = 160  # characters of the nearest passage
MISSING = (PassageState.CHANGED, PassageState.DELETED)


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One mistake: `where` is file:line, as far as it has a line, and mostly the field."""

    level: Level
    where: str
    message: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True)
class Inspection:
    """What was found; `kb` is None where its defs.yaml cannot be read. `unseen` is what could not be looked at because of that, or is empty."""

    kb: KnowledgeBase | None
    goldens: int
    findings: tuple[Finding, ...]
    unseen: str = ""

    @property
    def valid(self) -> bool:
        """Return whether no error was found."""
        return not any(finding.level is Level.ERROR for finding in self.findings)


def inspect(folder: Path, progress: Progress = silent, *, sources: bool = True) -> Inspection:
    """Look at a knowledge base's folder, and, unless `sources` is false, at what its sources hold now. Nothing is written or started."""
    located, found = inspect_goldens(folder)
    goldens = [each.golden for each in located]
    try:
        kb = read_of_its_folder(folder / "defs.yaml")
    except KbError as error:
        unseen = "sources and quotes are looked at once defs.yaml can be read" if sources else ""
        return Inspection(None, len(goldens), (*_as_findings(error), *found), unseen)
    found[:0] = [*_configuration(kb), *_floors(kb, goldens)]
    deliverable = Deliverable(kb, progress)
    if sources:
        found += [*_delivered(deliverable, located), *_unread(deliverable, goldens)]
    unseen = "quotes are looked for once every source can be read" if located and deliverable.unusable else ""
    return Inspection(kb, len(goldens), tuple(found), unseen)


def inspect_goldens(folder: Path) -> tuple[list[LocatedGolden], list[Finding]]:
    """Return the goldens of a knowledge base's folder that are right, and every mistake of the others."""
    located, wrong = try_goldens(folder / "golden")
    return located, [finding for error in wrong for finding in _as_findings(error)]


def _as_findings(error: KbError) -> list[Finding]:
    """Return an error as findings: it may be several lines, each with its place."""
    if error.where:
        return [Finding(Level.ERROR, error.where, str(error).removeprefix(f"{error.where}: "))]
    placed = ((PLACED.fullmatch(line), line) for line in str(error).splitlines())
    return [Finding(Level.ERROR, *(found.groups() if found else ("", line))) for found, line in placed]


def _configuration(kb: KnowledgeBase) -> Iterator[Finding]:
    """Yield what a run would say before it reads anything: the model, the golden gate's parameters, keys, what Dagster loads."""
    from kb_platform.alerting.channels import lacking
    from kb_platform.components.loading import require_loadable
    from kb_platform.quality.gate_parameters import GateParameters
    from kb_platform.release.gates import GATES, GOLDEN_GATE, is_asked_for, may_block

    defs = kb.folder / "defs.yaml"
    steps: tuple[Callable[[], object], ...] = (
        lambda: GateParameters(**kb.gate), lambda: check_embedding(kb), lambda: _reach(kb), lambda: require_loadable(kb.folder))
    for step in steps:
        try:
            step()
        except KbError as error:
            yield from _as_findings(error)
    if kb.start_date > kb.today():
        yield Finding(Level.ERROR, place_of(defs, "start_date"), f"{kb.start_date} has not begun, and no earlier day can be refreshed; expected {kb.today()} or earlier")
    for said in lacking(kb.alerts) if kb.alerts else ():
        field, _, what = said.partition(": ")
        yield Finding(Level.WARNING, place_of(defs, *field.split(".")), what)
    for gate in GATES.values():
        if is_asked_for(gate, kb) and gate.name != GOLDEN_GATE and (nothing := gate.lacking(kb)):
            blocks = kb.required_gates is not None and gate.name in kb.required_gates and may_block(gate, kb)
            yield Finding(Level.ERROR if blocks else Level.WARNING, place_of(defs, "gate"), f"{gate.name}: nothing will be judged, as {nothing}")


def _reach(kb: KnowledgeBase) -> None:
    """Refuse a deployment that a run would stop at: a model behind an endpoint that nobody has named, an object store that lets nobody in.

    Raises:
        ConfigError: naming the variable.
    """
    from kb_platform.storage.objects import ObjectStore

    chosen = current_settings()
    if chosen.embedder_url is None and (chosen.embedder == "endpoint" or kb.embedding.model.startswith(ENDPOINT)):
        raise ConfigError("KB_EMBEDDER_URL is not set", where=place_of(kb.folder / "defs.yaml", "embedding", "model"),
                          expected="the OpenAI-compatible endpoint that serves it")
    try:
        ObjectStore(f"{chosen.object_store_url.rstrip('/')}/{kb.name}").exists("captures")
    except Exception as error:  # whatever the store's driver says: of credentials, of a bucket, of a driver that is not there
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"the object store cannot be used ({said})", where="KB_OBJECT_STORE", action="check the address and its credentials") from error


def _floors(kb: KnowledgeBase, goldens: list[Golden]) -> Iterator[Finding]:
    known = GoldenSet.of(goldens).can_be_floored()
    for name in kb.gate["floors"] if goldens else ():
        if name not in known:
            yield Finding(Level.ERROR, place_of(kb.folder / "defs.yaml", "gate", "floors", name),
                          f"no golden is in this slice, so that every release would be inconclusive; expected one of {', '.join(known)}")


def _delivered(deliverable: Deliverable, located: list[LocatedGolden]) -> Iterator[Finding]:
    """Yield the sources that cannot be read, and the goldens that what they deliver does not bear out."""
    kb = deliverable.kb
    for number, source in enumerate(kb.sources):
        if lacking := deliverable.begin(source):
            level = Level.ERROR if source.name in deliverable.unusable else Level.WARNING
            yield Finding(level, place_of(kb.folder / "defs.yaml", "sources", number, "path"), lacking)
    names = [source.name for source in kb.sources]
    for each in located:
        for place, passage in zip(each.passages, each.golden.expected, strict=True):
            if passage.source is not None and passage.source not in names:
                yield Finding(Level.ERROR, place, f"{each.golden.id}: no source {passage.source!r}; expected one of {', '.join(names)}")
    if located and not deliverable.unusable:
        yield from _passages(deliverable, located)


def _unread(deliverable: Deliverable, goldens: list[Golden]) -> Iterator[Finding]:
    """Yield what the embedding model cannot read; a model that is not there has been told of."""
    from kb_platform.index.model_folder import space_of, tokenizer_of
    from kb_platform.index.readability import unread_of

    kb = deliverable.kb
    with suppress(KbError):
        tokenizer = tokenizer_of(space_of(kb.embedding))
        for said in unread_of(deliverable.beginnings, [golden.question for golden in goldens], tokenizer):
            yield Finding(Level.WARNING, place_of(kb.folder / "defs.yaml", "embedding"), said)


def _passages(deliverable: Deliverable, located: list[LocatedGolden]) -> Iterator[Finding]:
    """Yield the passages that stand nowhere: their goldens would be stale, or answered by fewer passages than they seem to be."""
    resolved = resolve_passages([passage for each in located for passage in each.golden.expected], deliverable.texts)
    missing = [found for found in resolved.values() if found.state in MISSING]
    nearest = _nearest(deliverable, missing)
    for each in located:
        for place, passage in zip(each.passages, each.golden.expected, strict=True):
            found = resolved[passage]
            if found.state is PassageState.MOVED:
                others = ", ".join(sorted({at.document.doc_id for at in found.locations}))
                yield Finding(Level.WARNING, place, f"{each.golden.id}: the quote is not in {passage.document!r}; it stands in {others}")
            elif found.state in MISSING:
                yield Finding(Level.WARNING, place, f"{each.golden.id}: {_lost(deliverable, found, nearest)}")


def _nearest(deliverable: Deliverable, missing: list[ResolvedPassage]) -> dict[ResolvedPassage, str]:
    """Return, for quotes whose document is there, where most of their words stand together, and what stands there."""
    wanted = [found for found in missing if found.expected.quote]
    best: dict[ResolvedPassage, tuple[float, str]] = {}
    for key, text in deliverable.texts({found.expected.document for found in wanted}) if wanted else ():
        folded = fold_text(text)
        for found in wanted:
            if found.expected.document == key.doc_id and found.expected.source in (None, key.source):
                share, (start, end) = closest_window(folded, fold_text(found.expected.quote or "").text)
                if share > best.get(found, (0.0, ""))[0]:
                    words = " ".join(text[start:end].split())
                    best[found] = share, f"{key.doc_id}:{start}-{end} has {share:.0%} of its words: {words[:SHOWN]!r}"
    return {found: said for found, (_, said) in best.items()}


def _lost(deliverable: Deliverable, found: ResolvedPassage, nearest: dict[ResolvedPassage, str]) -> str:
    passage = found.expected
    failure = next((failure for key, failure in deliverable.failed.items() if key.doc_id == passage.document), None)
    if failure is not None:
        return f"the document {passage.document!r} cannot be used: {failure.reason}"
    if not any(key.doc_id == passage.document and passage.source in (None, key.source) for key in deliverable.ids):
        near = get_close_matches(passage.document, sorted({key.doc_id for key in deliverable.ids}), 1)
        return f"no source delivers a document {passage.document!r}" + (f"; the nearest id is {near[0]!r}" if near else "")
    near = nearest.get(found)
    return "the quote stands nowhere" + (f"; nearest, {near}" if near else f", and no word of it in {passage.document!r}")


