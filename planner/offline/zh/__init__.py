"""Chinese: grammar and words."""
