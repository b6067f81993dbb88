"""The offline planner: a sentence read by rules, without a network or a model."""
