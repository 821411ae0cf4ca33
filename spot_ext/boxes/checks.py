"""The one check whether numbers are a box; see `ltr.geometry.checks`, which pytracking uses too."""

from ltr.geometry.checks import check_box, first_bad_row, is_box

__all__ = ["check_box", "first_bad_row", "is_box"]
