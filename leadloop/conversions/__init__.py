"""Outcomes become what Meta's Conversions API takes: user data, names, money, events, and a linter. Pure, no I/O."""
