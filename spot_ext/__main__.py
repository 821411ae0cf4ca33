"""Run `spot VERB …`, also called `python -m spot_ext VERB …`."""

from __future__ import annotations

import argparse
import importlib.metadata

from ltr.admin.arguments import check_numbers
from ltr.admin.errors import run_script
from ltr.admin.invocation import spot_command
from ltr.admin.places import add_overwrite, declared_places
from spot_ext.commands import Verb, find_verbs

# Width of "example:  ", under which the further examples are aligned.
EXAMPLE_INDENT = 10


def main(arguments: list[str] | None = None) -> int | None:
    """Parse the verb and run it; return the exit status, None for 0."""
    options = build_parser().parse_args(arguments)
    check_numbers(options.parser, options)
    with declared_places(options.parser, options):
        return options.run(options)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs that the folder `commands` holds."""
    parser = argparse.ArgumentParser(
        prog="spot", description="Train trackers from a few boxes per video."
    )
    parser.add_argument("--version", action="version", version=f"spot {_version()}")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in find_verbs():
        verb_parser = subparsers.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            epilog=_epilog(verb),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(verb_parser)
        add_overwrite(verb_parser)
        verb_parser.set_defaults(run=verb.run, parser=verb_parser)
    return parser


def _version() -> str:
    """Return the version of the installed package; a plain checkout has none."""
    try:
        return importlib.metadata.version("spot-tracking")
    except importlib.metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


def _epilog(verb: Verb) -> str:
    commands = [f"{spot_command()} {example}" for example in verb.examples]
    lines = f"\n{'':{EXAMPLE_INDENT}}".join(commands)
    text = f"{'example:':{EXAMPLE_INDENT}}{lines}"
    return f"{text}\n\n{verb.notes}" if verb.notes else text


def command() -> None:
    """Run the installed command `spot`."""
    run_script(main)


if __name__ == "__main__":
    command()
