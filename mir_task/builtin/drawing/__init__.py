"""The kinds of scene in the built-in images, and the tools that draw them."""
