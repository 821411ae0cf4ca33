"""GOT-10k's layout on disk: `<split>/list.txt`, and one folder a sequence. Readers and writers of
such trees use these names.
"""

from __future__ import annotations

import logging

from ltr.dataset.roots import read_ids, spec_file

LIST = "list.txt"
BOXES = "groundtruth.txt"
# 1 where the target is absent
ABSENCE = "absence.label"
# how much of the target is seen, in eighths
COVER = "cover.label"
FULLY_SEEN = 8
META = "meta_info.ini"

# pytracking's lists of ids, one for each part of the train folder
ID_FILES = {
    "train": "got10k_train_split.txt",
    "val": "got10k_val_split.txt",
    "vottrain": "got10k_vot_train_split.txt",
    "votval": "got10k_vot_val_split.txt",
}
SPLITS = (*ID_FILES, "all")
# Without lists each 7th sequence is for validation, close to the 15 % of the official lists.
HELD_OUT_EVERY = 7

log = logging.getLogger(__name__)


def frame_name(frame_id: int) -> str:
    """Return the file name of a frame, counted from 0."""
    return f"{frame_id + 1:08d}.jpg"


def split_ids(split: str | None, count: int) -> list[int]:
    """Return the positions in `list.txt` of the sequences of a split of the train folder.

    They come from pytracking's id lists where `data_specs_dir` or ltr/data_specs has them, else
    from a rule: every 7th sequence, or the last of a shorter list, is for validation. A log line
    says which.
    """
    if split in (None, "all"):
        return list(range(count))
    assert split is not None
    file = spec_file(ID_FILES[split])
    if file is not None:
        log.info("GOT-10k %s: the sequences listed in %s", split, file)
        return read_ids(file, count)
    if count >= HELD_OUT_EVERY:
        held_out = range(HELD_OUT_EVERY - 1, count, HELD_OUT_EVERY)
    else:
        held_out = range(count - 1, count)
    ids = [i for i in range(count) if (i in held_out) == split.endswith("val")]
    log.info(
        "GOT-10k %s: no %s in data_specs_dir, so %s sequence of list.txt is for validation; %d of "
        "%d sequences",
        split,
        ID_FILES[split],
        f"every {HELD_OUT_EVERY}th" if count >= HELD_OUT_EVERY else "the last",
        len(ids),
        count,
    )
    return ids
