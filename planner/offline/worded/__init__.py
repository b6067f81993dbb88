"""Languages that write words apart: one grammar, and a table of words for each."""
