"""Reports: tables, plots and one HTML page of a sweep's results."""
