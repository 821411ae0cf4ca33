"""Which frames of which video carry a box: choosing them, reading and writing them."""
