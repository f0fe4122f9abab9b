"""MIR inside a training loop, and MoCa."""
