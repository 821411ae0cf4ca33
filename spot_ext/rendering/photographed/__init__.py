"""Videos of photographed things, rendered on demand, from which a tracker for real videos learns.

Photographs and cut-outs that freely licensed packages ship move over photographs, turn, bend, blur,
hide each other and pass a camera and a codec; boxes and visibility are exact. `RenderedVideos` is
the data set; a video is a function of the pictures, the seed and its number, and any of its frames
is rendered by itself.
"""

from spot_ext.rendering.photographed.dataset import RenderedVideos
from spot_ext.rendering.photographed.image_bank import Bank, open_bank, write_bank
from spot_ext.rendering.photographed.pictures import SOURCES

__all__ = ["SOURCES", "Bank", "RenderedVideos", "open_bank", "write_bank"]
