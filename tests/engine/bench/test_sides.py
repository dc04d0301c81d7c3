"""Both sides make the same pictures, and ours serves a stream by its scheduler."""

from dataclasses import replace

import torch

from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job, mixed, queued
from fluxhouse.generation.request import Acceleration

JOB = Job(7, 64, 64, 2)


def test_both_sides_make_the_same_with_and_without_loras(sides: tuple[Ours, Theirs]) -> None:
    """So what is compared is the same work; a LoRA changes it, and is gone again afterwards."""
    ours, theirs = sides
    changed = replace(JOB, number=8, lora=1)
    for job in (JOB, changed, JOB):
        (made,) = ours.together([job], Acceleration.NONE)
        assert torch.allclose(made, theirs.make([job]), atol=1e-5)
    assert not torch.allclose(theirs.make([replace(changed, lora=None)]), theirs.make([changed]), atol=1e-3)
    pictures = ours.picture(JOB, Acceleration.NONE), theirs.make([JOB], decoded=True)[0]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_a_batch_gives_each_job_its_own_seed_and_prompt(sides: tuple[Ours, Theirs]) -> None:
    """So a batch of diffusers is a fair rival."""
    _, theirs = sides
    jobs = [JOB, replace(JOB, number=8)]
    batch = theirs.make(jobs)
    assert all(torch.allclose(batch[n : n + 1], theirs.make([job]), atol=1e-5) for n, job in enumerate(jobs))


def test_ours_serves_every_job_and_lets_short_ones_overtake(sides: tuple[Ours, Theirs]) -> None:
    """The long one comes first and ends last; nothing stays with the runner."""
    ours, theirs = sides
    jobs = [Job(0, 192, 192, 6, short=False), *(replace(job, arrival=1e-6) for job in mixed(6, 64, 2, 1)[1:])]
    served = ours.serve(jobs, Acceleration.NONE, proven=True)
    assert served.ends.keys() == {job.number for job in jobs}
    assert max(served.ends.values()) == served.ends[0]
    assert served.busy <= max(served.ends.values())
    assert queued(jobs, theirs.seconds, 8).ends[0] < queued(jobs, theirs.seconds, 8).ends[5]
    again = ours.serve([replace(job, arrival=0.0) for job in jobs], Acceleration.REGULAR, proven=False)
    assert again.ends.keys() == served.ends.keys()
