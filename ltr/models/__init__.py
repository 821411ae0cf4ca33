"""Networks and losses. Importing this package builds nothing and reads no file."""
