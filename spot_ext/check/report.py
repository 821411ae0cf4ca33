"""A check's report as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from spot_ext.check import Report
from spot_ext.check.sequences import KINDS, NOTES, Finding

_WIDEST = 100  # characters of an example


def to_json(report: Report) -> str:
    """All findings with their examples; `clean` says whether there are problems."""
    return (
        json.dumps(
            {
                "dataset": report.dataset,
                "root": report.root,
                "decoded": report.decoded,
                "clean": not report.problems,
                "sequences": report.sequences,
                "frames": report.frames,
                "seconds": round(report.seconds, 2),
                "parts": report.parts,
                "counts": counts(report.findings),
                "findings": [
                    asdict(finding)
                    | {"examples": [example._asdict() for example in finding.examples]}
                    for finding in report.findings
                ],
            },
            indent=2,
        )
        + "\n"
    )


def counts(findings: list[Finding]) -> dict[str, int]:
    """Cases of each kind."""
    return {
        kind: total for kind in KINDS if (total := sum(f.count for f in findings if f.kind == kind))
    }


def to_text(report: Report) -> str:
    """Return what was looked at, and a table with a line for each kind found: cases, sequences, the
    first case.
    """
    how = "decoded" if report.decoded else "by header and end"
    parts = ", ".join(f"{title}: {count}" for title, count in report.parts.items())
    lines = [
        f"{report.sequences} sequences, {report.frames} frames ({parts}), images checked {how}, "
        f"{report.seconds:.1f} s"
    ]
    found = counts(report.findings)
    if found:
        rows = [("", "cases", "sequences", "first")]
        for kind, total in found.items():
            of_kind = [finding for finding in report.findings if finding.kind == kind]
            rows.append(
                (
                    kind + " (note)" * (kind in NOTES),
                    str(total),
                    str(len(of_kind)),
                    _first(of_kind[0]),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines += [
            f"{kind:<{widths[0]}}  {total:>{widths[1]}}  {sequences:>{widths[2]}}  {first}".rstrip()
            for kind, total, sequences, first in rows
        ]
    if not report.problems:
        lines.append("no problems")
    return "\n".join(lines)


def _first(finding: Finding) -> str:
    example = finding.examples[0]
    where = (
        finding.sequence if example.frame is None else f"{finding.sequence} frame {example.frame}"
    )
    place = f" ({example.path})" if example.path and example.path not in example.detail else ""
    text = f"{where}: {example.detail}{place}"
    return text if finding.kind not in NOTES or len(text) <= _WIDEST else text[:_WIDEST] + "…"
