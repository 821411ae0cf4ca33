"""The cache of a report, `<result_plot_path>/<report_name>/eval_data.pkl`: a pickled dict of plain lists.

Old files of pytracking load. A pickle can run any code when loaded, so the reader accepts containers and plain values
only.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, NotConfigured
from ltr.admin.files import replacing, write_text
from pytracking.evaluation import environment

logger = logging.getLogger(__name__)

EVAL_DATA_KEYS = frozenset({
    "sequences", "trackers", "valid_sequence", "avg_overlap_all",
    "ave_success_rate_plot_overlap", "ave_success_rate_plot_center", "ave_success_rate_plot_center_norm",
    "threshold_set_overlap", "threshold_set_center", "threshold_set_center_norm",
})


@dataclass(frozen=True)
class Options:
    """Choices that change the numbers of an evaluation; kept beside the cache, whose keys pytracking fixed."""

    plot_bin_gap: float = 0.05
    exclude_invalid_frames: bool = False
    corrected: bool = False


def report_folder(report_name: str) -> Path:
    """Folder of a report: `<result_plot_path>/<report_name>`."""
    root = environment.env_settings().result_plot_path
    if not root:
        raise NotConfigured("result_plot_path is empty in pytracking/evaluation/local.py; "
                            "set it to the folder where reports and plots shall be written")
    return Path(root) / report_name


def tracker_entry(tracker: Any) -> dict[str, Any]:
    """What the cache stores of a tracker."""
    return {
        "name": tracker.name,
        "param": tracker.parameter_name,
        "run_id": None if tracker.run_id is None else int(tracker.run_id),
        "disp_name": tracker.display_name,
    }


def save_eval_data(eval_data: dict[str, Any], report_name: str, options: Options) -> None:
    """Write the cache of a report in one step."""
    folder = report_folder(report_name)
    options_file = folder / "eval_options.json"
    options_file.unlink(missing_ok=True)  # a crash in between must not pair the new numbers with the old options
    with replacing(folder / "eval_data.pkl") as temporary, open(temporary, "wb") as file:
        pickle.dump(eval_data, file)
    write_text(options_file, json.dumps(asdict(options), indent=1) + "\n")


def load_eval_data(path: str | Path) -> dict[str, Any]:
    """Read an `eval_data.pkl`, ours or pytracking's, without running code from it.

    Raises:
        BadValue: the file is damaged, is no evaluation, or holds anything but containers, numbers and text.
    """
    remedy = "delete it, or pass force_evaluation=True to compute it again"
    try:
        eval_data = _PlainUnpickler(io.BytesIO(Path(path).read_bytes())).load()
    except _NotPlain as error:
        raise BadValue(f"{path} is refused: it wants to load {error}, but an evaluation holds only lists, dicts, "
                       f"numbers and text; {remedy}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError,
            MemoryError, OverflowError, RecursionError) as error:  # what damaged pickles raise
        raise BadValue(f"{path} is damaged ({error}); {remedy}") from error
    if not isinstance(eval_data, dict):
        raise BadValue(f"{path} holds a {type(eval_data).__name__} instead of an evaluation; {remedy}")
    return eval_data


def load_options(report_name: str) -> Options | None:
    """Options of the cached evaluation; None when unknown (pytracking's caches, or a damaged file)."""
    try:
        return Options(**json.loads((report_folder(report_name) / "eval_options.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def check_eval_data_is_valid(eval_data: dict[str, Any], trackers: Sequence[Any], dataset: Sequence[Any]) -> bool:
    """True when `eval_data` is a complete evaluation of exactly these trackers and sequences, in this order."""
    if not EVAL_DATA_KEYS.issubset(eval_data):
        return False
    asked = [(trk.name, trk.parameter_name, trk.run_id) for trk in trackers]
    stored = [(trk["name"], trk["param"], trk["run_id"]) for trk in eval_data["trackers"]]
    return asked == stored and [seq.name for seq in dataset] == eval_data["sequences"]


def warn_when_outdated(cache: Path, result_files: Iterable[Path]) -> None:
    """Log a warning when result files were written after the cache; the cached numbers are used nevertheless."""
    made = cache.stat().st_mtime
    newer = [path for path in result_files if path.is_file() and path.stat().st_mtime > made]
    if newer:
        logger.warning("%d result file(s) are newer than the cached evaluation %s, %s for one; the scores shown are "
                       "the cached ones, pass force_evaluation=True to compute them again", len(newer), cache, newer[0])


class _NotPlain(Exception):
    """A pickle asks for a class or function; the message is its full name."""


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, text, lists, tuples and dicts need no lookup in a pickle; these containers do, all else is refused."""

    allowed = frozenset({("builtins", "set"), ("builtins", "frozenset"), ("collections", "OrderedDict")})

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise _NotPlain(f"{module}.{name}")
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise _NotPlain("an object stored elsewhere")
