"""The cache of a report, `<result_plot_path>/<report_name>/eval_data.pkl`: a pickled dict of lists
and tensors.

Old files of pytracking load. A pickle can run any code when loaded, so the reader accepts
containers, plain values, tensors and NumPy scalars only.

One file serves two evaluations of the same trackers and sequences: curves over thresholds
(`extract_results`) and precision-recall (`extract_results_prec_rec_f1`, under the key `raw_data`).
"""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ltr.admin.errors import BadValue, NotConfigured
from ltr.io.files import atomic_write, write_text
from pytracking.evaluation import environment

logger = logging.getLogger(__name__)

EVAL_DATA_KEYS = frozenset(
    {
        "sequences",
        "trackers",
        "valid_sequence",
        "avg_overlap_all",
        "ave_success_rate_plot_overlap",
        "ave_success_rate_plot_center",
        "ave_success_rate_plot_center_norm",
        "threshold_set_overlap",
        "threshold_set_center",
        "threshold_set_center_norm",
    }
)
F1_KEYS = frozenset({"sequences", "trackers", "valid_sequence", "raw_data"})


@dataclass(frozen=True)
class Options:
    """Choices that change the curves of an evaluation; kept beside the cache, whose keys pytracking
    fixed.
    """

    plot_bin_gap: float = 0.05
    exclude_invalid_frames: bool = False
    corrected: bool = False


@dataclass(frozen=True)
class F1Options:
    """Choices that change precision, recall and F1."""

    anno_period: int = 1
    f1_corrected: bool = False


def report_folder(report_name: str) -> Path:
    """Folder of a report: `<result_plot_path>/<report_name>`."""
    root = environment.env_settings().result_plot_path
    if not root:
        raise NotConfigured(
            "result_plot_path is empty in pytracking/evaluation/local.py; "
            "set it to the folder where reports and plots shall be written"
        )
    return Path(root) / report_name


def tracker_entry(tracker: Any) -> dict[str, Any]:
    """Return what the cache stores of a tracker."""
    return {
        "name": tracker.name,
        "param": tracker.parameter_name,
        "run_id": None if tracker.run_id is None else int(tracker.run_id),
        "disp_name": tracker.display_name,
    }


def keep_evaluation(
    scores: Mapping[str, Any],
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    options: Options | F1Options,
    result_files: Iterable[Path],
    verbose: bool,
) -> dict[str, Any]:
    """`scores` with the names of sequences and trackers: returned, and written to the cache of the
    report in one step.

    `verbose` prints how many sequences have results (`scores["valid_sequence"]`).
    """
    eval_data = {
        "sequences": [str(seq.name) for seq in dataset],
        "trackers": [tracker_entry(tracker) for tracker in trackers],
        **scores,
    }
    if verbose:
        print(
            f"\n\nComputed results over {sum(scores['valid_sequence'])} / {len(dataset)} sequences"
        )
    _save(eval_data, report_name, options, result_files)
    return eval_data


def _save(
    eval_data: dict[str, Any],
    report_name: str,
    options: Options | F1Options,
    result_files: Iterable[Path],
) -> None:
    """Write the cache.

    An evaluation of the other kind that is there stays, as long as it is of the same trackers and
    sequences and none of `result_files` is newer.
    """
    folder = report_folder(report_name)
    options_file, cache = folder / "eval_options.json", folder / "eval_data.pkl"
    other = _other_kind(eval_data, cache, result_files)
    stored = {**(_read_options(folder) if other else {}), **asdict(options)}
    options_file.unlink(
        missing_ok=True
    )  # a crash in between must not pair the new numbers with the old options
    with atomic_write(cache) as temporary, open(temporary, "wb") as file:
        pickle.dump({**other, **eval_data}, file)
    write_text(options_file, json.dumps(stored, indent=1) + "\n")


def _other_kind(
    eval_data: dict[str, Any], cache: Path, result_files: Iterable[Path]
) -> dict[str, Any]:
    """Return what the cache holds beyond the keys of `eval_data` and still agrees with it."""
    if not cache.is_file() or newer_than(cache, result_files):
        return {}
    try:
        old = load_eval_data(cache)
    except BadValue:
        return {}
    same = all(
        _identity(old.get(key)) == _identity(eval_data[key])
        for key in ("sequences", "trackers", "valid_sequence")
    )
    known = EVAL_DATA_KEYS | F1_KEYS
    return (
        {key: value for key, value in old.items() if key in known and key not in eval_data}
        if same
        else {}
    )


def _identity(values: Any) -> Any:
    """Lists as they are, tracker entries without their display names."""
    if not isinstance(values, list):
        return values
    return [
        {key: one[key] for key in one if key != "disp_name"} if isinstance(one, dict) else one
        for one in values
    ]


def load_eval_data(path: str | Path) -> dict[str, Any]:
    """Read an `eval_data.pkl`, ours or pytracking's, without running code from it.

    Raises:
        BadValue: the file is damaged, is no evaluation, or holds anything but containers, numbers
            and text.

    """
    remedy = "delete it, or pass force_evaluation=True to compute it again"
    try:
        eval_data = _PlainUnpickler(io.BytesIO(Path(path).read_bytes())).load()
    except _NotPlain as error:
        raise BadValue(
            f"{path} is refused: it wants to load {error}, but an evaluation holds only lists, "
            "dicts, "
            f"numbers, tensors and text; {remedy}"
        ) from error
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        MemoryError,
        OverflowError,
        RecursionError,
        RuntimeError,
    ) as error:  # what damaged pickles raise
        raise BadValue(f"{path} is damaged ({error}); {remedy}") from error
    if not isinstance(eval_data, dict):
        raise BadValue(
            f"{path} holds a {type(eval_data).__name__} instead of an evaluation; {remedy}"
        )
    return eval_data


def load_options(
    report_name: str, kind: type[Options] | type[F1Options] = Options
) -> Options | F1Options | None:
    """Options of the cached evaluation of a `kind`; None when unknown (pytracking's caches, or a
    damaged file).
    """
    stored = _read_options(report_folder(report_name))
    try:
        return kind(**{name: stored[name] for name in vars(kind())})
    except KeyError:
        return None


def _read_options(folder: Path) -> dict[str, Any]:
    try:
        options = json.loads((folder / "eval_options.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}


def check_eval_data_is_valid(
    eval_data: Mapping[str, Any],
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    f1_prec_rec: bool = False,
) -> bool:
    """True when `eval_data` is a complete evaluation of exactly these trackers and sequences, in
    this order.

    `f1_prec_rec` asks for the precision-recall kind instead of the curves.
    """
    if not (F1_KEYS if f1_prec_rec else EVAL_DATA_KEYS).issubset(eval_data):
        return False
    if f1_prec_rec and len(eval_data["raw_data"]) != len(
        trackers
    ):  # trackers shared a label in pytracking
        return False
    asked = [(trk.name, trk.parameter_name, trk.run_id) for trk in trackers]
    try:
        stored = [(trk["name"], trk["param"], trk["run_id"]) for trk in eval_data["trackers"]]
    except (KeyError, TypeError):  # another program's file of this name
        return False
    return asked == stored and [seq.name for seq in dataset] == eval_data["sequences"]


def newer_than(cache: Path, result_files: Iterable[Path]) -> list[Path]:
    """Return those of `result_files` that were written after the cache."""
    made = cache.stat().st_mtime
    return [path for path in result_files if path.is_file() and path.stat().st_mtime > made]


def warn_when_outdated(cache: Path, result_files: Iterable[Path]) -> None:
    """Log a warning when result files were written after the cache; the cached numbers are used
    nevertheless.
    """
    newer = newer_than(cache, result_files)
    if newer:
        logger.warning(
            "%d result file(s) are newer than the cached evaluation %s, %s for one; the scores "
            "shown are "
            "the cached ones, pass force_evaluation=True to compute them again",
            len(newer),
            cache,
            newer[0],
        )


class _NotPlain(Exception):
    """A pickle asks for a class or function; the message is its full name."""


def _tensor_storage(content: bytes) -> Any:
    """Return what tensors are stored as in a pickle; the function of torch that pickles name would
    run code.
    """
    return torch.load(io.BytesIO(content), weights_only=True)


def _numpy_scalar(dtype: np.dtype, content: bytes) -> np.generic:
    if dtype.hasobject:
        raise _NotPlain("an object inside NumPy")
    return np.frombuffer(content, dtype, 1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Return how old pickle protocols write bytes."""
    return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, text, lists, tuples and dicts need no lookup in a pickle; these do, all else is
    refused.
    """

    allowed: ClassVar[dict[tuple[str, str], Any]] = {
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("builtins", "frozenset"): frozenset,
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _encode,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch.storage", "_load_from_bytes"): _tensor_storage,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "scalar"): _numpy_scalar,
        ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise _NotPlain(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise _NotPlain("an object stored elsewhere")
