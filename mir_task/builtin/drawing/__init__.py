"""The drawing of the scenes."""
