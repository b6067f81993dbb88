"""Studies: every rule on the same scenes of one's own model."""
