"""Speed, memory and precision, measured side by side in one run: ``make bench``."""
