"""Boxes as numbers: overlap, conversions, clipping, and the check whether numbers are a box.

`array_boxes` works on NumPy arrays, `tensor_boxes` on torch tensors, `checks` refuses what is no
box. Names say the layout: `xywh` is left, top, width, height; `xyxy` two corners; `cxcywh` centre
and size. A rule that one toolkit has for itself carries the toolkit's name.
"""
