"""English: grammar and words."""
