"""A whole score as rows of text: attributes of prompts, kinds of edits, and what moved that should not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.reader_scenes import SceneReader
from fluxhouse.builtin.scoring import Score, questions, score_prompts
from fluxhouse.builtin.scoring_edits import edits, score_edits
from fluxhouse.builtin.scoring_sources import Source

Row = tuple[str, str, str, str]
_STAYS = 0.1
"""An edit keeps the rest where at most this share of the other pixels moves."""


def prompt_rows(source: Source, count: int, seed: int, stage: str) -> Iterator[Row]:
    """Attribute, how often asked, how often right, and the share, for so many held-out prompts."""
    score = score_prompts(questions(count, seed, Stage(stage)), source.make, SceneReader.load())
    yield from _rows(score, sorted(score.asked))


def edit_rows(source: Source, count: int, seed: int, size: int) -> Iterator[Row]:
    """The same by kind of change, all together, and how many of the local ones kept the rest."""
    scored = score_edits(edits(count, seed), source.edit, SceneReader.load(), size)
    score = scored.changes
    yield from _rows(score, sorted(score.asked))
    asked, right = score.asked.total(), score.right.total()
    yield "all", str(asked), str(right), _share(right, asked)
    kept = sum(moved <= _STAYS for moved in scored.moved)
    yield "keeps the rest", str(len(scored.moved)), str(kept), _share(kept, len(scored.moved))


def _rows(score: Score, attributes: Iterable[str]) -> Iterator[Row]:
    for attribute in attributes:
        asked, right = score.asked[attribute], score.right[attribute]
        yield attribute, str(asked), str(right), _share(right, asked)


def _share(right: int, asked: int) -> str:
    return f"{right / asked:.1%}" if asked else "-"
