"""Administration of runs: settings, environment, networks' files, errors."""
