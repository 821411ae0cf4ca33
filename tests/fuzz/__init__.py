"""Hostile inputs for every reader, request and command line: `python -m tests.fuzz --minutes N`.

An input is taken or refused with one sentence (BadInput, a status below 500, argparse's status 2).
Everything else fails: a traceback, more than 5 s, more than 1 GB, the end of the process. Each input
follows from the target's name and a number, so a failure is made again by `--target NAME --first N
--count 1`.
"""
