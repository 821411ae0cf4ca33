"""People's own videos: a few boxes in, dense boxes with a confidence out, and a list of the frames
worth a look.

`walks` tracks from every key frame in both directions, `fusion` makes one box and one confidence of
what they found, `propagation` does both for a video, `adapting` teaches the network these videos
first, `labelling` does all of it for a folder; `tracking` follows one box.
"""
