"""The configuration file: TOML in, checked line by line, applied to the database, and written out again."""
