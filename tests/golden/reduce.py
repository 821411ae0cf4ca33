"""Reduce a folder of reference numbers to what is committed here: `python -m tests.golden.reduce
DIR OUT`.

Left out are inputs that formulas give again and subjects that no check reads; of big arrays a slice
is kept, named as `tests.golden.folder` says. Every number that is kept is the reference's own.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.golden.checks import CHECKS
from tests.golden.folder import COMMITTED, parse_slices

LEFT_OUT = {  # by file; a name ends with * when it begins the names of several arrays
    "transt_forward_*.npz": (
        "template_u8",
        "search_u8",
        "search_norm_slice",
        "feat_*_stats",
        "track_*",
    ),
    "transt_original_forward_*.npz": ("track_*",),
    "ocean_forward_*.npz": (
        "template_u8",
        "search_u8",
        "*_norm_slice",
        "feat_*",
        "neck_search_slice",
        "track_*",
        "grid_*",
    ),
    "crops.npz": ("image",),
    "augment.npz": ("norm.image_u8", "ell.s96.image_in_u8", "affine.image_u8", "affine.*_matrix"),
}
SLICED = {
    "transt_forward_*.npz": {"template_norm": "::2, :, ::16, ::16"},
    "crops.npz": {"*.crops": ":, ::8, ::8"},
    "augment.npz": {
        "norm.jitter_out": ":, :, ::4, ::4",
        "norm.out": ":, :, ::4, ::4",
        "ell.s96.image_out": ":, :, ::6, ::6",
        "ell.s256.image_out_slice": ":, :, ::3, ::3",
        "affine.*.out": ":, ::4, ::4",
    },
    "criterion_transt.npz": {"*.grad_*": ":, ::3"},
    "ocean_forward_*.npz": {
        "cls_dw_slice": "::2, ::4",
        "x_reg_slice": "::2, ::4",
        "offsets": ":, ::5",
        "pred_boxes": ":, :, ::2",
        "bbox_pred_to_img": ":, :, ::2",
    },
    "criterion_ocean.npz": {"*.grad_*": ":, :, ::3", "*_label": ":, ::3", "*_weight": ":, ::3"},
    "synthetic_sequence.npz": {"frames": ":3"},
}
UNREAD = (".jpg",)  # kinds of files


def reduce(source: Path, target: Path) -> None:
    """Write the reduced form of the folder `source` to the new folder `target`."""
    for name in dict.fromkeys(name for check in CHECKS for name in check.files):
        for file in (
            sorted((source / name).rglob("*")) if (source / name).is_dir() else [source / name]
        ):
            if not file.is_file() or file.suffix in UNREAD:
                continue
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".npz":
                _reduce_arrays(file, place)
            else:
                shutil.copyfile(file, place)
    meta = json.loads((source / "meta.json").read_text())
    (target / "meta.json").write_text(json.dumps({**meta, "reduced": True}) + "\n")


def _reduce_arrays(source: Path, target: Path) -> None:
    left_out = [
        name for pattern, names in LEFT_OUT.items() if source.match(pattern) for name in names
    ]
    sliced = {
        name: text
        for pattern, names in SLICED.items()
        if source.match(pattern)
        for name, text in names.items()
    }
    kept = {}
    with np.load(source) as arrays:
        for name in arrays.files:
            text = next(
                (text for pattern, text in sliced.items() if Path(name).match(pattern)), None
            )
            if text is not None:
                kept[f"{name}[{text}]"] = arrays[name][parse_slices(text)]
            elif not any(Path(name).match(pattern) for pattern in left_out):
                kept[name] = arrays[name]
    np.savez_compressed(target, **kept)


def copy_common(source: Path, target: Path) -> None:
    """Copy the files of the folder `source` that no seed changes."""
    (target / "lr_schedules.json").write_bytes((source / "lr_schedules.json").read_bytes())
    for name in (
        "spot_transt_student",
        "spot_transt_teacher",
        "transt_original",
        "spot_ocean_student",
        "spot_ocean_teacher",
    ):
        (target / "state_dicts").mkdir(exist_ok=True)
        shutil.copyfile(
            source / "state_dicts" / f"{name}.json", target / "state_dicts" / f"{name}.json"
        )
    shutil.copytree(source / "checkpoints", target / "checkpoints", dirs_exist_ok=True)


def main(arguments: Sequence[str]) -> int:
    """Reduce DIR to OUT, by default to the committed folder of its name."""
    if not arguments or len(arguments) > 2:
        print("usage: python -m tests.golden.reduce DIR [OUT]", file=sys.stderr)
        return 2
    source = Path(arguments[0]).resolve()
    target = Path(arguments[1]) if len(arguments) > 1 else COMMITTED / source.name
    if target.exists():
        print(f"'{target}' exists; remove it first", file=sys.stderr)
        return 2
    reduce(source, target)
    copy_common(source.parent, target.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
