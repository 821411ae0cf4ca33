"""The command line itself: its verbs, what they import before they work, the commands they print."""

import json
import resource
import shlex
import subprocess
import sys

import pytest

from ltr.admin.invocation import spot_command
from spot_ext.__main__ import main
from spot_ext.commands import find_verbs

VERBS = [verb.name for verb in find_verbs()]
# The standard library and these files suffice for parsing arguments.
LIGHT_MODULES = {
    "ltr",
    "ltr.io",
    "ltr.io.plugins",
    "ltr.io.plugin_names",
    "ltr.io.lost_names",
    "ltr.io.definitions",
    "ltr.io.registry",
    "ltr.admin",
    "ltr.admin.arguments",
    "ltr.admin.environment",
    "ltr.admin.errors",
    "ltr.admin.installing",
    "ltr.admin.invocation",
    "ltr.admin.places",
    "ltr.io.files",
    "ltr.io.local_file",
    "ltr.io.outputs",
} | {
    "ltr.parallel",
    "ltr.parallel.threads",
}
# Libraries that take a noticeable part of a second to import, or that are optional.
HEAVY_LIBRARIES = {"torch", "torchvision", "numpy", "scipy", "pandas", "cv2", "matplotlib"}
# CPU seconds of `spot --help` on a slow core; importing torch alone takes more.
HELP_SECONDS = 1.0
LIST_IMPORTS = """
import json, sys
from spot_ext.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit as status:
    print(json.dumps({"status": status.code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""
WRONG_ARGUMENTS = [
    ["nope"],
    ["label", "videos"],
    ["track", "film.mp4"],
    ["sample", "got10k", "--k", "three"],
    ["tune", "transt"],
    ["check", "got10k", "--workers", "many"],
]


def imports_of(arguments: list[str]) -> tuple[int, set[str]]:
    """Return the exit status of `spot ARGUMENTS` and the modules it had imported by then."""
    ran = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS, *arguments], capture_output=True, text=True, check=True
    )
    answer = json.loads(ran.stderr.splitlines()[-1])
    return answer["status"], set(answer["modules"])


def assert_light(modules: set[str]) -> None:
    own = {name for name in modules if name.partition(".")[0] in ("ltr", "pytracking", "spot_ext")}
    commands = {name for name in own if name.startswith("spot_ext.commands")}
    assert own - commands - LIGHT_MODULES <= {"spot_ext", "spot_ext.__main__"}
    assert not HEAVY_LIBRARIES & modules


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_imports_nothing_heavy(verb):
    status, modules = imports_of([verb, "--help"])
    assert status == 0
    assert_light(modules)


@pytest.mark.parametrize("arguments", WRONG_ARGUMENTS, ids=" ".join)
def test_wrong_arguments_are_refused_without_heavy_imports(arguments):
    status, modules = imports_of(arguments)
    assert status == 2
    assert_light(modules)


def test_help_is_quick():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run(
        [sys.executable, "-m", "spot_ext", "--help"], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < HELP_SECONDS
    assert shown.stdout.startswith("usage: spot ")


def test_every_file_of_the_folder_is_a_verb(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    assert {"train", "label", "export-onnx"} <= set(VERBS)
    assert all(f"    {verb}" in listed for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_examples_of_a_verb_are_commands_that_its_parser_takes(verb):
    from spot_ext.__main__ import build_parser

    (described,) = [one for one in find_verbs() if one.name == verb]
    examples = [shlex.split(example, comments=True) for example in described.examples]
    assert any(words[0] == verb for words in examples)
    for words in examples:
        assert build_parser().parse_args(words).verb == words[0]


@pytest.mark.parametrize(
    ("typed", "script", "prefix"),
    [
        (["python3", "-m", "spot_ext", "toy"], "/x/spot_ext/__main__.py", "python3 -m spot_ext"),
        (["my python", "-I", "-m", "spot_ext"], "/x/__main__.py", "'my python' -I -m spot_ext"),
        (["/venv/bin/python", "./bin/spot", "toy"], "./bin/spot", "bin/spot"),
        (["python", "-m", "pytest"], "/x/pytest/__main__.py", "spot"),
    ],
)
def test_printed_commands_start_as_the_process_was_called(monkeypatch, typed, script, prefix):
    monkeypatch.setattr(sys, "orig_argv", typed)
    monkeypatch.setattr(sys, "argv", [script])
    assert spot_command("label", "my videos") == f"{prefix} label 'my videos'"
