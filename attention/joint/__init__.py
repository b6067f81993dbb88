"""Joint attention: the texts of all regions in one sequence with the image."""
