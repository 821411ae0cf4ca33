"""The module path that SPOT's published checkpoints name; the networks are in
`ltr.models.tracking.transt`.
"""

from __future__ import annotations

from ltr.admin.errors import BadValue
from ltr.admin.model_constructor import model_constructor
from ltr.models.tracking import transt

TransT = transt.TransT


@model_constructor
def transt_resnet50(settings=None, network: str = "student", **options) -> TransT:
    """SPOT's TransT, which always predicts IoUs. `network` is 'student' or 'teacher': they are
    built alike.
    """
    if network not in ("student", "teacher"):
        raise BadValue(f"network='{network}' is not known; choose 'student' or 'teacher'")
    return transt.transt_resnet50(settings, **{"iou_head": True, **options})
