"""`python -m benchmarks`: rows, tables and files of results, one process for each benchmark,
failures told and survived.
"""

import importlib
import pkgutil
import sys
import textwrap

import pytest

import benchmarks
from benchmarks import __main__ as command
from benchmarks.results import Machine, Part, Row, Run, number, table
from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured

MACHINE = Machine("a CPU", 2, 8.0, (), "Linux", "3.11", {"torch": "2.6"})
MODULES = sorted(
    module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"
)


@pytest.mark.parametrize(
    ("row", "ratio", "met"),
    [
        (Row("less is better", 2.0, 10.0, target=5), 5.0, True),
        (Row("less is better, missed", 2.0, 9.0, target=5), 4.5, False),
        (Row("more is better", 30.0, 10.0, "frames/s", True, target=2), 3.0, True),
        (Row("more is better, missed", 10.0, 30.0, "frames/s", True, target=2), 1 / 3, False),
        (Row("below a limit", 0.4, limit=0.5), None, True),
        (Row("above a limit", 0.6, limit=0.5), None, False),
        (
            Row(
                "below a limit that is a floor",
                20.0,
                unit="frames/s",
                higher_is_better=True,
                limit=25,
            ),
            None,
            False,
        ),
        (Row("target met, limit not", 0.6, 60.0, target=10, limit=0.5), 100.0, False),
        (Row("a target without rival is not met", 1.0, target=2), None, False),
        (Row("no goal", 1.0, 2.0), 2.0, None),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_ratio_and_target(row, ratio, met):
    assert row.ratio == (None if ratio is None else pytest.approx(ratio)) and row.met is met


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0"),
        (0.001234, "0.00123"),
        (4.5678, "4.57"),
        (789.4, "789"),
        (12_345.6, "12,346"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text


def test_table_in_the_terminal_and_in_markdown():
    rows = [
        Row("open", 0.0123, 3.4, target=100, limit=0.5, rival_is="one JSON"),
        Row("speed", 30.0, 10.0, "frames/s", True, 5, note="n"),
    ]
    plain, marked = table(rows).splitlines(), table(rows, markdown=True).splitlines()
    assert plain[0].split() == ["what", "ours", "rival", "unit", "ratio", "target", "met"]
    assert plain[1].split() == [
        "open",
        "0.0123",
        "3.40",
        "s",
        "276x",
        ">=",
        "100x,",
        "<=",
        "0.5",
        "s",
        "yes",
    ]
    assert plain[2].split()[-4:] == ["3.00x", ">=", "5x", "NO"]
    assert plain[0].index("target") == plain[1].index(">= 100x") == plain[2].index(">= 5x")
    assert plain[3:] == ["  rival: one JSON", "  speed: n"]
    assert marked[2] == "| open | 0.0123 | 3.40 | s | 276x | >= 100x, <= 0.5 s | yes |"
    assert len({line.count("|") for line in marked[:4]}) == 1 and marked[-2:] == [
        "- rival: one JSON",
        "- speed: n",
    ]


def test_results_come_back_from_json(tmp_path):
    run = Run.start(False, MACHINE)
    run.parts = [
        Part(
            "store",
            [Row("open", 1.0, 2.0, target=2, note="x")],
            "settings",
            "python x",
            3.0,
            None,
            ["y (no time)"],
        )
    ]
    run.write(tmp_path / "r.json")
    assert Run.read(tmp_path / "r.json") == run
    assert "left out: y (no time)" in run.text() and "a CPU, 2 cores, 8 GB, no GPU" in run.text(
        markdown=True
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, MissingFile), ("{", BadInput), ('{"parts": [{"rows": [{}]}]}', BadInput)],
    ids=["absent", "no JSON", "no results"],
)
def test_a_file_without_results_is_named(tmp_path, content, error):
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=r"r\.json"):
        Run.read(path)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    importlib.import_module(f"benchmarks.{name}")


def test_every_script_is_listed(capsys):
    assert command.main(["--list"]) == 0
    listed = {
        line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")
    }
    assert listed == set(MODULES) - {"results", "rivals", "data_tree"}


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["--only", "stoer"], BadValue, "did you mean 'store'"),
        (["--only", "own_videos"], BadValue, "study of accuracy"),
        (["--gpu"], NotConfigured, "sees no GPU"),
    ],
    ids=["unknown", "a study", "no GPU"],
)
def test_what_cannot_be_run_is_one_sentence(monkeypatch, arguments, error, sentence):
    monkeypatch.setattr(Machine, "here", lambda: MACHINE)
    with pytest.raises(error, match=sentence):
        command.main(arguments)


def test_the_gpu_part_ends_within_eight_minutes():
    """Even when each of its benchmarks is ended at its limit; the main process imports torch
    before.
    """
    jobs = command._jobs(command._options(["--gpu"]), has_gpu=True)
    assert jobs and all(on_gpu for _, on_gpu in jobs)
    assert sum(benchmark.gpu_limit + command.GRACE for benchmark, _ in jobs) < 8 * 60 - 12


def test_a_machine_with_a_gpu_runs_both_parts():
    with_gpu, without = (command._jobs(command._options([]), has_gpu) for has_gpu in (True, False))
    assert [job for job in with_gpu if not job[1]] == without and len(with_gpu) > len(
        without
    ) == len(command.BENCHMARKS)


SCRIPTS = {
    "works": "found.add(Row('a', 1.0, 2.0, target=2)); found.finish()",
    "breaks": "found.add(Row('a', 1.0)); raise BadInput('no such thing')",
    "hangs": "found.add(Row('a', 1.0)); import time; time.sleep(60)",
    "silent": "",
}
FRAME = """
import argparse
from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import BadInput, run_script
def main():
    parser = argparse.ArgumentParser(); add_options(parser); options = parser.parse_args()
    Machine = __import__("benchmarks.results").results.Machine
    Machine.here = classmethod(lambda cls: cls("a CPU", 1, 1.0, (), "x", "3", {{}}))
    found = Results("x", options) if {body!r} else None
    {body}
if __name__ == "__main__":
    run_script(main)
"""


def test_failures_are_reported_and_the_others_go_on(tmp_path, monkeypatch, capfd):
    for name, body in SCRIPTS.items():
        (tmp_path / f"bench_{name}.py").write_text(
            textwrap.dedent(FRAME).format(body=body or "pass") if body else "pass\n"
        )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(Machine, "here", lambda: MACHINE)
    monkeypatch.setattr(command, "GRACE", 0.0)
    monkeypatch.setattr(
        command,
        "BENCHMARKS",
        tuple(
            command.Benchmark(name, "x", 8.0 if name == "hangs" else 60.0, module=f"bench_{name}")
            for name in reversed(SCRIPTS)
        ),
    )
    assert (
        command.main(
            [
                "--quick",
                "--json",
                str(tmp_path / "all.json"),
                "--markdown",
                str(tmp_path / "all.md"),
            ]
        )
        == 1
    )
    parts = {part.name: part for part in Run.read(tmp_path / "all.json").parts}
    assert {name: part.error for name, part in parts.items()} == {
        "works": None,
        "breaks": "error: no such thing",
        "hangs": "ended after 8 s, its time limit",
        "silent": "it wrote no rows",
    }
    assert [len(parts[name].rows) for name in SCRIPTS] == [1, 1, 1, 0]
    assert "FAILED: error: no such thing" in capfd.readouterr().out
    assert "| a | 1.00 | 2.00 | s | 2.00x | >= 2x | yes |" in (tmp_path / "all.md").read_text()


def test_the_store_benchmark_runs_in_small(tmp_path, capfd):
    pytest.importorskip("resource", reason="needs a POSIX system")
    assert command.main(["--quick", "--only", "store", "--json", str(tmp_path / "r.json")]) == 0
    run = Run.read(tmp_path / "r.json")
    rows = {row.name: row for row in run.parts[0].rows}
    assert run.quick and run.machine.versions["numpy"]
    memory = rows["memory of the state in one worker"]
    assert memory.rival > 5 * memory.ours and rows["update after an epoch"].ratio > 3
    if sys.platform == "linux":
        assert rows["memory of a worker that it alone holds"].met
