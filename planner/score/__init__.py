"""How good a planner is: labelled sentences and lists of prompts."""
