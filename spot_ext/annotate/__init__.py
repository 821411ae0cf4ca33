"""A page on this machine in which people draw boxes: `python -m spot_ext annotate FOLDER`, see
docs/annotate.md.
"""
