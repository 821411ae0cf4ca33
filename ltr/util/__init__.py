"""Helpers under the names that TransT's own code uses (`util.misc`, `util.box_ops`); nothing here
imports them.
"""
