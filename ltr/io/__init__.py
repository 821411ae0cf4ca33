"""Files that this toolkit reads and writes: whole files, array files, checkpoints, weights,
locks.
"""  # noqa: E501, RUF100
