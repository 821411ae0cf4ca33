"""Frames of a video by number, whatever holds them: images, tar archives, video files, cameras.

`opening.open_source` opens a place as a `source.FrameSource` (frames in any order),
`streams.open_stream` as a `streams.FrameStream` (one after the other, cameras too). Wrappers around
a source are in `wrappers`; `shared` keeps a process's open sources for data sets.
"""
