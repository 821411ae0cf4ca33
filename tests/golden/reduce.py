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

import tests.golden.checks  # noqa: F401  registers them
from tests.golden.comparison import checks_of
from tests.golden.folder import COMMITTED, OSTRACK, Golden, parse_slices

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
    "ostrack_forward_*.npz": (
        "template_u8",
        "search_u8",
        "*_slice",
        "*_stats",
        "*.top2_margin",
        "*.n_kept",
        "*.removed",
        "*.margin",
        "ce_template_mask",
    ),
    "ostrack_crops.npz": ("*.att_mask_bits", "*.norm_slice", "*.crop_mean", "outside*"),
    "ostrack_pos_embed.npz": ("smooth.*", "*_stats", "*.input_slice"),
    "tracker_ostrack.npz": ("*.removed?",),
    "ostrack_criterion.npz": ("gaussian.*", "mask.*", "score_*"),
    "augment.npz": ("norm.image_u8", "ell.s96.image_in_u8", "affine.image_u8", "affine.*_matrix"),
}
SLICED = {
    "ostrack_crops.npz": {
        "template.crops": ":, ::8, ::8",
        "search.crops": ":, ::16, ::16",
        "*192.crops": ":, ::4, ::4",
        "*384.crops": ":, ::8, ::8",
        "more_*.crops": ":, ::4, ::4",
    },
    "ostrack_pos_embed.npz": {"random.*_slice": "::5, ::4"},
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
    checks = checks_of(Golden(source))
    for name in dict.fromkeys(name for check in checks for name in check.files):
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


def copy_common_of_ostrack(source: Path, target: Path) -> None:
    """Copy the files about OSTrack in the folder `source` that no seed changes."""
    (target / "state_dicts").mkdir(exist_ok=True)
    names = [f"state_dicts/{path.name}" for path in source.glob("state_dicts/ostrack_*.json")]
    for name in (*names, "ostrack_schedules.json"):
        shutil.copyfile(source / name, target / name)


def main(arguments: Sequence[str]) -> int:
    """Reduce DIR to OUT, by default to the committed folder of its name."""
    if not arguments or len(arguments) > 2:
        print("usage: python -m tests.golden.reduce DIR [OUT]", file=sys.stderr)
        return 2
    source = Path(arguments[0]).resolve()
    # OSTrack's folders lie in one of their own, as they share the pictures of SPOT's.
    form = Golden(source).form
    home = COMMITTED / OSTRACK if form == OSTRACK else COMMITTED
    target = Path(arguments[1]) if len(arguments) > 1 else home / source.name
    if target.exists():
        print(f"'{target}' exists; remove it first", file=sys.stderr)
        return 2
    reduce(source, target)
    if form == OSTRACK:
        copy_common_of_ostrack(source.parent.parent, target.parent.parent)
    else:
        copy_common(source.parent, target.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
