"""Ocean with full supervision."""
