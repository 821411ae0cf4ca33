"""Which frames of a trained run to label next.

`tracks` lets the teacher follow every target from both sides of a frame, `scores` makes one number
and a reason of what it found and what the store knows, `choice` spreads the best over videos and
time, `output` writes them.
"""
