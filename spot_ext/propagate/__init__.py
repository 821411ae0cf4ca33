"""Turns a few boxes of a video into boxes of every frame, and names the frames worth a look.

`follow` is the engine: it takes targets from labelled boxes through the frames beside them, with an
online tracker (`key_frame_tracker`) or a run's teacher (`batched_teacher`). `gaps` are the frames
between labels. `fuse` makes one box and one confidence of two walks through a gap; the line that
fuses them stands in `blending`, and `beliefs` says which walk to believe. `propagation` does all of
it for a video. `review` and `suggest` name the frames worth a person's look.

`labelling`, `tracking` and `suggest` are the verbs. `rounds` teaches a network the videos first,
and a little more (`held_out`) when boxes were added; `earlier` finds what a new box leaves as it
was.
"""
