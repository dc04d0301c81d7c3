"""The loop around every part's training: how long it goes on, what it writes down, and when its state is saved."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fluxhouse.builtin.training.learning import Learner
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.sheets import write_curve

_SAID_EVERY_SECONDS = 15.0
_SAVED_EVERY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """One update's loss, and how many pictures (or captions) it saw."""

    loss: Tensor
    seen: int


class Journal:
    """What a run wrote down: `losses.csv` and `losses.png` in its folder."""

    def __init__(self, folder: Path, done: int) -> None:
        self._folder, self._file = folder, folder / "losses.csv"
        folder.mkdir(parents=True, exist_ok=True)
        self._losses = self._read()[:done]
        self._unread: list[Tensor] = []

    def _read(self) -> list[float]:
        if not self._file.exists():
            return []
        with self._file.open(newline="") as file:
            return [float(row[1]) for row in csv.reader(file)]

    def note(self, loss: Tensor) -> None:
        """Left on its device: to read it here would wait for it at every update."""
        self._unread.append(loss)

    def mean(self, latest: int) -> float:
        """Of so many latest losses."""
        some = self._read_losses()[-latest:]
        return sum(some) / len(some)

    def _read_losses(self) -> list[float]:
        self._losses += [float(loss) for loss in self._unread]
        self._unread.clear()
        return self._losses

    def write(self) -> None:
        """Both files anew; nothing where nothing was noted."""
        if self._read_losses():
            with self._file.open("w", newline="") as file:
                lines = csv.writer(file, lineterminator="\n")
                lines.writerows((number, f"{loss:.6g}") for number, loss in enumerate(self._losses))
            write_curve(self._folder / "losses.png", self._losses)


def say(words: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


class Run:
    """One call: updates from where the learner stands until it has finished or the call's minutes are over."""

    def __init__(self, learner: Learner, folder: Path, options: Options) -> None:
        self._learner, self._folder, self._options = learner, folder, options
        self._journal = Journal(folder, learner.done)
        self._first = self._said = learner.done
        self._seen = 0
        self._started = self._said_at = self._saved_at = time.monotonic()

    def go(self, update: Callable[[int], Step], show: Callable[[Path], None] | None = None) -> None:
        """`update(number)` gives the loss of an update, `show(path)` writes a contact sheet. The state is saved."""
        learner = self._learner
        while not learner.finished and not self._options.over:
            step = update(learner.done)
            learner.learn(step.loss)
            self._seen += step.seen
            self._journal.note(step.loss.detach())
            if time.monotonic() - self._said_at > _SAID_EVERY_SECONDS:
                self._say()
            if show is not None and learner.done % self._options.show_every == 0:
                show(self._folder / "sheets" / f"{learner.done:06}.png")
            if time.monotonic() - self._saved_at > _SAVED_EVERY_SECONDS:
                self._save()
        self._save()
        if show is not None:
            show(self._folder / "sheets" / f"{learner.done:06}.png")
        say(f"{learner.done:>7} updates, {learner.done - self._first} of them now")

    def _say(self) -> None:
        done, now = self._learner.done, time.monotonic()
        seconds = now - self._started
        loss = self._journal.mean(done - self._said)
        rates = f"{(done - self._first) / seconds:.2f} updates/s  {self._seen / seconds:.1f} pictures/s"
        say(f"{done:>7} loss {loss:.4f}  {rates}")
        self._said, self._said_at = done, now

    def _save(self) -> None:
        self._learner.save(self._folder / "state")
        self._journal.write()
        self._saved_at = time.monotonic()
