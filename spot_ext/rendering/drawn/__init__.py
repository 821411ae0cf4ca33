"""Small embedded videos with exact boxes, rendered on demand: nothing to download.

`ensure(root)` returns a GOT-10k tree of textured things that move, turn and deform over moving
backgrounds, among look-alikes and obstacles. A video is a function of (seed, split, index) alone.
"""

from spot_ext.rendering.drawn.scene import Frame, FrameTruth, Scene
from spot_ext.rendering.drawn.tree import ToySettings, ToyTree, ensure, render, video_name

__all__ = [
    "Frame",
    "FrameTruth",
    "Scene",
    "ToySettings",
    "ToyTree",
    "ensure",
    "render",
    "video_name",
]
