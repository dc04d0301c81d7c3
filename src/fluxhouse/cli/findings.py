"""What an examination found: one line for each thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import typer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do, and `fatal` that nothing works before it is done."""

    subject: str
    found: str
    remedy: str = ""
    fatal: bool = False


def show_findings(findings: Sequence[Finding]) -> None:
    """Print them; exit code 1 where one is fatal."""
    for finding in findings:
        mark = "ok  " if not finding.remedy else "FAIL" if finding.fatal else "note"
        typer.echo(f"{mark}  {finding.subject:13}{finding.found}")
        if finding.remedy:
            typer.echo(f"{'':19}-> {finding.remedy}")
    if any(finding.fatal for finding in findings):
        raise typer.Exit(1)
