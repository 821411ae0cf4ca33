"""The verbs of `spot`, one file each."""
