"""Figures by matplotlib: one SVG a panel, narrow enough for a phone, coloured by the page that shows it."""
