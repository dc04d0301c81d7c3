"""`fluxhouse bench …`: the commands and their tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fluxhouse.cli.bench import api, cluster, crash
from fluxhouse.cli.bench.dialects import compare_dialects
from fluxhouse.cli.bench.engine import engine
from fluxhouse.cli.bench.history import compare
from fluxhouse.cli.bench.load import Load
from fluxhouse.cli.bench.postgres import OwnPostgres, new_database
from fluxhouse.cli.bench.receiver import Receiver
from fluxhouse.cli.bench.serving import Installation
from fluxhouse.cli.tables import show, table


class Topology(StrEnum):
    """What is attacked."""

    SINGLE = "single"
    CLUSTER = "cluster"


class Kind(StrEnum):
    """Which database is measured."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


Which = Annotated[Kind, typer.Option(help="The database to measure.")]
bench = typer.Typer(help="Measure what promises cost, and whether they hold.", no_args_is_help=True)
bench.command()(engine)
_ASKED = ("submit", "poll", "claim", "list")

DatabaseUrl = Annotated[
    str | None, typer.Option(help="A PostgreSQL server to make a database on; one of our own where there is none.")
]
Rounds = Annotated[int, typer.Option(help="How many times to strike.", min=1)]
Jobs = Annotated[int, typer.Option(help="Jobs in flight in each round.", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Calls = Annotated[int, typer.Option(help="Calls per series.", min=10)]


@bench.command("crash")
def crash_command(
    rounds: Rounds = 3,
    jobs: Jobs = 20,
    seed: Seed = 1,
    topology: Annotated[Topology, typer.Option(help="One server, or a fleet on PostgreSQL.")] = Topology.SINGLE,
    database_url: DatabaseUrl = None,
) -> None:
    """Kill -9 at random moments under load; exit code 1 if anything is lost or charged twice, or no job was in flight.

    `cluster` is two API processes, three workers, an S3 server and PostgreSQL, which is crashed too where it is ours;
    and the network is cut between any of the processes and the database or the bucket.
    """
    findings = crash.Findings()
    with tempfile.TemporaryDirectory(prefix="fluxhouse-crash-") as name, ExitStack() as closing:
        folder = Path(name)
        if topology is Topology.CLUSTER:
            fleet = closing.enter_context(cluster.standing(folder, database_url, seed))
            receiver = Receiver()
            closing.callback(receiver.close)
            seconds = cluster.ARRIVAL_SECONDS
            run = crash.against(fleet, crash.Campaign(rounds, jobs, seed, arrival_seconds=seconds, receiver=receiver))
        else:
            run = crash.run(crash.Campaign(rounds, jobs, seed), folder)
        for findings in run:
            typer.echo(
                f"round {findings.rounds}: {findings.accepted} jobs accepted, {dict(findings.states)}, "
                f"{findings.images} images, {findings.charged_credits} credits, {findings.in_flight} in flight when "
                f"struck, {findings.deliveries} webhooks, {len(findings.violations)} violations"
            )
    typer.echo(f"strikes: {dict(findings.strikes)}; slowest round {findings.slowest_round_seconds:.1f} s")
    for violation in findings.violations:
        typer.secho(violation, fg=typer.colors.RED)
    if findings.violations or not findings.in_flight:
        raise typer.Exit(1)


@bench.command("api")
def api_command(
    calls: Calls = 2000,
    database: Which = Kind.SQLITE,
    database_url: DatabaseUrl = None,
    processes: Annotated[str, typer.Option(help="API processes, such as 1,2,4; more than one on PostgreSQL.")] = "1",
    history: Annotated[str, typer.Option(help="Ended jobs to compare with none, such as 10000,100000.")] = "",
) -> None:
    """Submits, polls, whole jobs and claims against a real server with an instant backend; or what a history costs."""
    counts, sizes = _numbers(processes, "--processes"), _numbers(history, "--history")
    if database is Kind.SQLITE and counts != [1]:
        raise typer.BadParameter("an SQLite file has one process", param_hint="--processes")
    with tempfile.TemporaryDirectory(prefix="fluxhouse-bench-") as folder, ExitStack() as closing:
        address, pid = database_url, None
        if database is Kind.POSTGRES and address is None:
            own = OwnPostgres()
            closing.callback(own.close)
            address, pid = own.url, own.pid
        names = count()

        def fresh() -> Installation:
            path = Path(folder) / str(next(names))
            path.mkdir()
            return Installation(path, None if address is None else new_database(address), pid)

        if sizes:
            show(_history_table([(fresh(), ended) for ended in (0, *sizes)], min(calls, 300)))
        else:
            show(_api_table(fresh, calls, counts))


@bench.command("dialects")
def dialects_command(calls: Annotated[int, typer.Option(help="Pictures per dialect.", min=1)] = 100) -> None:
    """What each dialect costs over the native API: the same picture, asked for in all of them in turn."""
    lines = table("dialect", "asked like", "p50 ms", "over native ms", "ratio")
    with tempfile.TemporaryDirectory(prefix="fluxhouse-bench-") as folder:
        rows = {row.name: row for row in compare_dialects(Path(folder), calls)}
    for row in rows.values():
        peer = rows[row.peer]
        over, ratio = row.median_ms - peer.median_ms, row.median_ms / peer.median_ms
        lines.add_row(row.name, row.peer, f"{row.median_ms:.2f}", f"{over:+.2f}", f"{ratio:.2f}")
    show(lines)


def _api_table(fresh: Callable[[], Installation], calls: int, counts: list[int]) -> Table:
    spent = [f"{who} CPU ms" for who in ("API", "database", "load")]
    lines = table("what", "processes", "clients", "p50 ms", "p99 ms", "per second", "refused", *spent, "cores busy")
    rows: list[api.Row] = []
    for processes in counts:
        rows += api.submits(fresh(), calls, processes)
        rows.append(api.whole_jobs(fresh(), calls, processes))
    rows.append(api.claims(fresh(), min(calls, 300)))
    for row in rows:
        load = row.load
        figures = (f"{load.percentile_ms(50):.2f}", f"{load.percentile_ms(99):.2f}", f"{load.per_second:.0f}")
        lines.add_row(row.what, str(row.processes), str(load.clients), *figures, str(load.refused), *_split(load))
    return lines


def _split(load: Load) -> tuple[str, ...]:
    """Processor milliseconds of one call, by who spent them, and how many cores were busy with it on average."""
    if load.spent is None:
        return ("-",) * 4
    seconds = (load.spent.servers, load.spent.database, load.spent.load)
    each = ("-" if spent is None else f"{spent * 1000 / len(load.latencies):.2f}" for spent in seconds)
    return (*each, f"{load.spent.total / load.seconds:.2f}")


def _history_table(installations: list[tuple[Installation, int]], calls: int) -> Table:
    lines = table("ended jobs", "filled in s", *(f"{what} p50 ms (ratio)" for what in _ASKED))
    aged = list(compare(installations, calls))
    for one in aged:
        ratios = (f"{one.p50_ms(what):.2f} ({one.p50_ms(what) / aged[0].p50_ms(what):.2f})" for what in _ASKED)
        lines.add_row(f"{one.ended:,}", f"{one.filled_seconds:.0f}", *ratios)
    return lines


def _numbers(listed: str, option: str) -> list[int]:
    try:
        return [int(one) for one in listed.split(",") if one]
    except ValueError:
        raise typer.BadParameter(f"whole numbers with commas between them, not {listed!r}", param_hint=option) from None
