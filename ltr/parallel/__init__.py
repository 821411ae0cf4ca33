"""Several processes, devices and threads: distributed runs, gradient sync, precision, stopping."""
