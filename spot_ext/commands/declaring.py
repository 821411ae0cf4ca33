"""How a verb of `python -m spot_ext` is declared: a room with verbs has a module `command` with
`add_to(verbs)`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_verb(
    verbs, name: str, run: Callable[[argparse.Namespace], int | None], text: str, example: str
) -> argparse.ArgumentParser:
    """Declare the verb `name`, which calls `run(options)` for the exit status (None: 0); `text` and
    a complete `example` are its help.
    """
    parser = verbs.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:  python -m spot_ext {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser
