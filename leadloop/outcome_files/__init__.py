"""A CSV file of outcomes, row by row: bytes → text → rows → columns → OutcomeInput. Pure but for reading the file."""
